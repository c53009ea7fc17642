"""Starting, stopping, and refusing to start."""

import socket
import stat
from pathlib import Path

from tests.support.program import Program


def test_it_stops_cleanly_and_starts_again_where_it_was(own_program: Program) -> None:
    program = own_program
    program.start()
    key = (program.data_dir / "demo.key").read_text()
    asked = program.cli("ask", "what is a projection?")

    code = program.stop()
    program.start()
    status, page = program.http("GET", "/v1/conversations")
    program.stop()

    assert asked.returncode == 0, asked.stderr
    assert code == 0
    assert (status, len(page["items"])) == (200, 1)
    assert (program.data_dir / "demo.key").read_text() == key
    for name in ("demo.key", "connect.json", "master.key"):
        path = program.data_dir / name
        assert not path.exists() or stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_up_is_refused_and_the_first_goes_on(own_program: Program) -> None:
    program = own_program
    program.start()

    second = program.cli("up")

    assert second.returncode == 1
    assert len(second.stderr.strip().splitlines()) == 1
    assert program.http("GET", "/v1/conversations")[0] == 200
    program.stop()


def test_a_busy_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        refused = Program(tmp_path / "data").cli("up", "--port", port)

    assert refused.returncode == 1
    assert port in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_a_lost_master_key_is_one_clear_line_and_putting_it_back_mends_it(
    own_program: Program,
) -> None:
    program = own_program
    program.start()
    assert program.http("POST", "/v1/conversations", {"title": "Sealed"})[0] == 201
    program.stop()
    key = program.data_dir / "master.key"
    kept = key.rename(program.data_dir / "master.key.elsewhere")

    refused = program.cli("up", "--port", "0")

    assert refused.returncode == 1
    assert "master.key is missing" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert not key.exists()
    kept.rename(key)
    program.start()
    _, page = program.http("GET", "/v1/conversations")
    assert [one["title"] for one in page["items"]] == ["Sealed"]
    program.stop()


def test_agents_answer_from_a_folder_of_ones_own_from_then_on(
    own_program: Program, tmp_path: Path
) -> None:
    program, folder = own_program, tmp_path / "notes"
    folder.mkdir()
    (folder / "harbour.md").write_text("# Harbour\n\nThe harbour of Vigo is forty metres deep.\n")
    program.start("--documents", str(folder))
    _, before = program.http("GET", "/v1/documents")
    program.stop()
    (folder / "mole.txt").write_text("The mole of Vigo is two kilometres long.")

    program.start()
    asked = program.cli("ask", "how long is the mole of Vigo?")
    _, after = program.http("GET", "/v1/documents")
    program.stop()

    assert [one["source"] for one in before["items"]] == ["harbour.md"]
    assert [one["source"] for one in after["items"]] == ["mole.txt", "harbour.md"]
    assert asked.returncode == 0, asked.stderr
    assert "two kilometres" in asked.stdout


def test_a_folder_of_documents_that_is_gone_is_one_clear_line(
    own_program: Program, tmp_path: Path
) -> None:
    refused = own_program.cli("up", "--documents", str(tmp_path / "gone"))
    with_no_demo = own_program.cli("up", "--no-demo", "--documents", str(tmp_path))

    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        f"error: {tmp_path / 'gone'} is no folder: name another one with --documents."
    ]
    assert with_no_demo.returncode == 2
    assert "need --demo" in with_no_demo.stderr
