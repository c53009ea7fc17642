"""`aigestion up --search elasticsearch`: the same system, with a real Elasticsearch beside it."""

import json
import shutil
from pathlib import Path

from aigestion.embedded.datadir import DataDir
from aigestion.embedded.elasticsearch import EmbeddedElasticsearch
from aigestion.embedded.elasticsearch_home import VERSIONS
from tests.support.elasticsearch import elasticsearch_url
from tests.support.program import Program
from tests.support.tasks import soon


def test_the_engine_is_chosen_once_and_kept(own_program: Program, tmp_path: Path) -> None:
    elasticsearch_url(VERSIONS[-1])  # says aloud if none can be had
    try:
        own_program.start("--search", "elasticsearch")
        _, readiness = own_program.http("GET", "/health/ready")
        assert readiness["engines"]["elasticsearch"] == "ok"
        assert own_program.connect()["search"] == "elasticsearch"
        _found(own_program, "dense position")
        own_program.pull_the_plug()

        own_program.start()
        _found(own_program, "dense position")
        verified = own_program.cli("audit", "verify", "--json")
        assert own_program.stop() == 0

        checks = {one["check"]: one for one in json.loads(verified.stdout)["findings"]}
        assert checks["view search"]["checked"] >= 3
        at_rest = own_program.cli("projections", "verify", "search")
        assert at_rest.returncode == 0, at_rest.stdout + at_rest.stderr

        own_program.start("--search", "postgres")
        _, readiness = own_program.http("GET", "/health/ready")
        assert "elasticsearch" not in readiness["engines"]
        _found(own_program, "dense position")
    finally:
        shutil.rmtree(EmbeddedElasticsearch(DataDir(own_program.data_dir)).folder, True)


def _found(program: Program, words: str) -> None:
    """As soon as the view serves."""
    path = f"/v1/search?q={words.replace(' ', '+')}"
    items = soon(lambda: program.http("GET", path)[1].get("items"))
    assert "<mark>" in items[0]["highlight"]
