"""The options of every command that works through a whole source: who does the work."""

from __future__ import annotations

from typing import Annotated

import typer

Engine = Annotated[str, typer.Option(help="local for processes of this machine, ray for Ray Data")]
Jobs = Annotated[int | None, typer.Option(help="workers; one for each processor core if not given", min=1)]
Address = Annotated[str | None, typer.Option(help="of a Ray cluster; a local one is started if not given")]

#: Of commands whose backends have settings of their own: any --name value is taken.
ANY_OPTION = {"allow_extra_args": True, "ignore_unknown_options": True}
