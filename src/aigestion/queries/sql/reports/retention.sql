-- One row an interaction of a user whose first one ever lies in the range, and how many weeks later it was.
SELECT
    user_id,
    first_at,
    intDiv(dateDiff('day', toMonday(first_at, {tz:String}), toMonday(occurred_at, {tz:String})), 7) AS weeks_later
FROM (
    SELECT user_id, occurred_at, min(occurred_at) OVER (PARTITION BY user_id) AS first_at
    FROM {interactions_to_date}
)
WHERE first_at >= {start:DateTime64(6, 'UTC')}
