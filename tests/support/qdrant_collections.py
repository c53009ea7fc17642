"""Collections of the real Qdrant engine, one embedded shard each: what `qdrant_server` serves over HTTP."""

import json
import shutil
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import qdrant_edge as qdrant

SCHEMAS = {
    "keyword": qdrant.PayloadSchemaType.Keyword,
    "integer": qdrant.PayloadSchemaType.Integer,
}
DONE = {"operation_id": 0, "status": "completed"}


class Refused(Exception):
    """A status and the sentence that Qdrant says with it."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


class Collection:
    """One shard, used by one request at a time."""

    def __init__(self, directory: Path) -> None:
        self.lock = threading.Lock()
        self._directory = directory
        self._vectors = json.loads((directory / "vectors.json").read_text())
        self._shard: qdrant.EdgeShard | None = qdrant.EdgeShard.load(str(directory / "shard"))

    @classmethod
    def create(cls, directory: Path, body: Mapping[str, Any]) -> "Collection":
        vectors = body["vectors"]
        if vectors["distance"] != "Cosine":
            raise Refused(501, "this server measures cosines only")
        draft = directory.with_name(f"{directory.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        (draft / "shard").mkdir(parents=True)
        parameters = qdrant.EdgeVectorParams(size=vectors["size"], distance=qdrant.Distance.Cosine)
        config = qdrant.EdgeConfig(vectors=parameters, max_search_threads=1)
        qdrant.EdgeShard.create(str(draft / "shard"), config).close()
        (draft / "vectors.json").write_text(json.dumps(vectors))
        draft.rename(directory)
        return cls(directory)

    @property
    def shard(self) -> qdrant.EdgeShard:
        if self._shard is None:
            raise _absent(self._directory.name)
        return self._shard

    def close(self) -> None:
        with self.lock:
            self.shard.flush()
            self.shard.close()
            self._shard = None

    def info(self) -> dict[str, Any]:
        info = self.shard.info()
        return {
            "status": "green",
            "optimizer_status": "ok",
            "segments_count": info.segments_count,
            "points_count": info.points_count,
            "config": {
                "params": {"vectors": self._vectors},
                "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000},
                "optimizer_config": {"default_segment_number": 0, "flush_interval_sec": 5},
            },
            "payload_schema": {},
        }

    def index(self, body: Mapping[str, Any]) -> dict[str, Any]:
        schema = body["field_schema"]
        kind = schema if isinstance(schema, str) else schema["type"]
        index = qdrant.UpdateOperation.create_field_index(body["field_name"], SCHEMAS[kind])
        self.shard.update(index)
        return DONE

    def upsert(self, body: Mapping[str, Any]) -> dict[str, Any]:
        points = [
            qdrant.Point(point["id"], point["vector"], point["payload"]) for point in body["points"]
        ]
        condition = body.get("update_filter")
        upsert = qdrant.UpdateOperation.upsert_points(points, condition and filter_of(condition))
        self.shard.update(upsert)
        return DONE

    def retrieve(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        vectors = body.get("with_vector", False)
        found = self.shard.retrieve(body["ids"], body.get("with_payload", True), vectors)
        return [_record(record, vectors) for record in found]

    def scroll(self, body: Mapping[str, Any]) -> dict[str, Any]:
        request = qdrant.ScrollRequest(
            limit=body["limit"],
            offset=body.get("offset"),
            filter=filter_of(body["filter"]) if body.get("filter") else None,
            with_payload=True,
        )
        found, offset = self.shard.scroll(request)
        return {
            "points": [_record(record, False) for record in found],
            "next_page_offset": None if offset is None else str(offset),
        }

    def query(self, body: Mapping[str, Any]) -> dict[str, Any]:
        request = qdrant.QueryRequest(
            limit=body["limit"],
            query=qdrant.Query.Nearest(body["query"]["nearest"]),
            filter=filter_of(body["filter"]),
            with_payload=True,
        )
        found = self.shard.query(request)
        return {
            "points": [{**_record(p, False), "version": p.version, "score": p.score} for p in found]
        }


class Collections:
    """A directory of collections, kept over restarts."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._lock = threading.Lock()
        found = [path for path in directory.iterdir() if "." not in path.name]
        self._open = {path.name: Collection(path) for path in found}

    def names(self) -> list[str]:
        return sorted(self._open)

    def get(self, name: str) -> Collection:
        try:
            return self._open[name]
        except KeyError:
            raise _absent(name) from None

    def create(self, name: str, body: Mapping[str, Any]) -> bool:
        with self._lock:
            if name in self._open:
                raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
            self._open[name] = Collection.create(self._directory / name, body)
        return True

    def delete(self, name: str) -> bool:
        with self._lock:
            collection = self._open.pop(name, None)
            if collection is not None:
                collection.close()
                shutil.rmtree(self._directory / name)
        return collection is not None

    def close(self) -> None:
        for name in self.names():
            with suppress(Refused):
                self.get(name).close()


def filter_of(body: Mapping[str, Any]) -> qdrant.Filter:
    """A filter as the engine wants it; what this server does not know is refused, not left out."""
    if unknown := set(body) - {"must", "must_not", "should"}:
        raise Refused(501, f"this server has no {unknown} in filters")
    clauses = {
        clause: [_condition(condition) for condition in conditions]
        for clause, conditions in body.items()
    }
    return qdrant.Filter(**clauses)


def _condition(body: Mapping[str, Any]) -> Any:
    match body:
        case {"is_empty": {"key": key}}:
            return qdrant.IsEmptyCondition(key)
        case {"key": key, "match": {"value": value}}:
            return qdrant.FieldCondition(key, match=qdrant.MatchValue(value))
        case {"key": key, "match": {"any": values}}:
            return qdrant.FieldCondition(key, match=qdrant.MatchAny(values))
        case {"key": key, "range": limits}:
            return qdrant.FieldCondition(key, range=qdrant.RangeFloat(**limits))
        case _:
            raise Refused(501, f"this server has no such condition: {body}")


def _record(record: Any, with_vector: bool) -> dict[str, Any]:
    vector = {"vector": record.vector} if with_vector else {}
    return {"id": str(record.id), "payload": record.payload, **vector}


def _absent(name: str) -> Refused:
    return Refused(404, f"Not found: Collection `{name}` doesn't exist!")
