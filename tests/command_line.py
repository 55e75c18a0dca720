"""The command line as a user meets it, in this process: loading torch anew for every command would take minutes."""

from dataclasses import dataclass

from rebind import cli


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    error: str


class CommandLine:
    """``rebind("train", "--data", folder)`` runs a command and returns what came of it."""

    def __init__(self, monkeypatch, capfd):
        self.monkeypatch, self.capfd = monkeypatch, capfd

    def __call__(self, *words):
        self.monkeypatch.setattr("sys.argv", ["rebind", *map(str, words)])
        self.capfd.readouterr()
        status = 0
        try:
            cli.main()
        except SystemExit as end:
            status = end.code or 0
        out, error = self.capfd.readouterr()
        return Outcome(status, out, error)

    def succeeds(self, *words):
        outcome = self(*words)
        assert outcome.status == 0, outcome.error
        assert "Traceback" not in outcome.error
        return outcome.out

    def refuses(self, *words):
        """The one sentence on the error stream of a command that a user can mend."""
        outcome = self(*words)
        assert outcome.status == 2, outcome
        lines = outcome.error.splitlines()
        assert len(lines) == 1, outcome.error
        assert lines[0].startswith("rebind: ")
        return lines[0].removeprefix("rebind: ")
