"""Requests and what was done about each: ``runtime/promotions/<id>/``, files that are written once and never again.

Whoever writes does so in his turn: inside ``invarlock.promotion.turn.turn``.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from invarlock.digests import digest_of
from invarlock.errors import PromotionError
from invarlock.files import sync_folder, write_json
from invarlock.problems import first_problem
from invarlock.promotion.requests import REQUEST, Demand, Request, State, Step, StepRecord
from invarlock.promotion.runtime_files import RuntimeFiles

R = TypeVar("R", bound=StepRecord)
D = TypeVar("D", bound=Demand)

_REQUEST = "request.json"


class RequestStore:
    """The requests of one config root. A killed writer leaves nothing that a reader takes for a record."""

    def __init__(self, root: Path | None = None) -> None:
        self.files = RuntimeFiles.of(root)

    def request(self, request_id: str) -> Request:
        """Raises PromotionError when there is none of that id, or its file was altered."""
        path = self._file(request_id, _REQUEST)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise PromotionError(
                f"there is no request {request_id}", where=path, fix="look at the list of requests"
            ) from error
        try:
            request = REQUEST.validate_json(data)
        except ValidationError as error:
            raise _altered(path, error) from error
        if request.id != request_id:
            raise _altered(path, ValueError(f"it is request {request.id}"))
        return request

    def requests(self) -> tuple[tuple[Request, ...], tuple[PromotionError, ...]]:
        """Every request, the oldest first, and what is wrong with each that cannot be read."""
        found, damaged = [], []
        for path in sorted(self.files.promotions.glob(f"*/{_REQUEST}")):
            try:
                found.append(self.request(path.parent.name))
            except PromotionError as error:
                damaged.append(error)
        return tuple(sorted(found, key=lambda request: (request.created_at, request.id))), tuple(damaged)

    def state(self, request_id: str) -> State:
        """How far the request is, going by the records that are there."""
        self.request(request_id)
        taken = {step.value for step in Step if self._paths(request_id, step)}
        return next((state for state in reversed(State) if state.value in taken), State.REQUESTED)

    def records(self, request_id: str, step: Step, kind: type[R]) -> tuple[R, ...]:
        """Every record of ``step``, in the order in which they were made. PromotionError for a foreign one."""
        binding = self.request(request_id).binding
        found = []
        for path in self._paths(request_id, step).values():
            try:
                record = kind.model_validate_json(path.read_bytes())
            except ValidationError as error:
                raise _altered(path, error) from error
            if record.binding != binding:
                raise _altered(path, ValueError("it is about another request, or the request was altered"))
            found.append(record)
        return tuple(found)

    def add_request(self, request: D) -> D:
        """Keep ``request``, in the caller's turn; gives the one that is there when it is asked for again."""
        path = self._file(request.id, _REQUEST)
        if not path.exists():
            self._write(path, request)
            return request
        return request.model_copy(update={"created_at": self.request(request.id).created_at})

    def add(self, step: Step, record: StepRecord) -> Path:
        """Keep the record of a step, in the caller's turn. PromotionError when the request is closed."""
        request_id = record.binding.request_id
        if record.binding != self.request(request_id).binding:
            raise PromotionError(
                f"this is not about request {request_id} as it was made",
                where=self.files.request(request_id),
                fix="look at the request again",
            )
        self.ensure_open(request_id)
        number = max(self._paths(request_id, step), default=0) + 1
        path = self._file(request_id, f"{step.value}-{number:03}.json")
        self._write(path, record)
        return path

    def ensure_open(self, request_id: str) -> None:
        """PromotionError when the request is rejected, stale or applied."""
        state = self.state(request_id)
        if state.is_final:
            raise PromotionError(
                f"request {request_id} is {state.value}: nothing more can happen to it",
                where=self.files.request(request_id),
                fix="request the change anew, in other words",
            )

    def digests(self, request_id: str, step: Step) -> frozenset[str]:
        """Of every record of ``step`` as it was written, by whatever version. PromotionError when one is no JSON."""
        found = set()
        for path in self._paths(request_id, step).values():
            try:
                found.add(digest_of(json.loads(path.read_bytes())))
            except ValueError as error:
                raise _altered(path, ValueError("it is no JSON")) from error
        return frozenset(found)

    def _paths(self, request_id: str, step: Step) -> dict[int, Path]:
        """The records of ``step`` by number, the first one first."""
        name = re.compile(rf"{step.value}-([0-9]{{3,}})\.json")
        paths = [self.files.contained(path) for path in self.files.request(request_id).glob("*.json")]
        numbered = {int(found[1]): path for path in paths if (found := name.fullmatch(path.name))}
        return dict(sorted(numbered.items()))

    def _file(self, request_id: str, name: str) -> Path:
        return self.files.contained(self.files.request(request_id) / name)

    def _write(self, path: Path, record: BaseModel) -> None:
        """Whole under its name, or not at all; never over another."""
        written = path.with_name(f".{path.name}.tmp")  # left by a kill, it goes with the next turn
        write_json(written, record.model_dump(mode="json"))
        try:
            os.link(written, path)
        except FileExistsError as error:
            raise PromotionError(
                "a record is there already, and none is written twice",
                where=path,
                fix="give the command again",
            ) from error
        finally:
            written.unlink()
        for folder in (path.parent, *path.parent.parents[:2]):  # promotions and runtime hold the new names
            sync_folder(folder)


def _altered(path: Path, error: ValueError) -> PromotionError:
    said = first_problem(error) if isinstance(error, ValidationError) else error
    return PromotionError(
        f"a kept record cannot be believed: {said}", where=path, fix="bring the file back, or request anew"
    )
