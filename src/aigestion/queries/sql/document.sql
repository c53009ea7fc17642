-- One document of a tenant, its passages in order.
SELECT document_id, title, media_type, source, bytes, added_at, position,
       ARRAY (SELECT p.text FROM {view}.passages AS p
              WHERE p.document_key = d.key ORDER BY p.n) AS passages
FROM {view}.documents AS d
WHERE tenant = $1 AND key = $1 || '/' || $2
