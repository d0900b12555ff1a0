"""A dataset repository through huggingface_hub, whose errors come out as one clear line.

Who one is, is huggingface_hub's affair (``hf auth login``, ``HF_TOKEN``): no token passes through here.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Protocol

from freeda_store.errors import HubError, RepositoryNameError
from freeda_store.sharing.layout import INDEX_NAME, MAX_INDEX_BYTES, Index, read_index

CARD_NAME = "README.md"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9_][A-Za-z0-9._-]{0,95}")
_MAX_CARD_BYTES = 2**22
_OURS = re.compile(r"revisions/.*|README\.md|freeda-bank\.json|\.gitattributes")


class HubApi(Protocol):
    """What is asked of huggingface_hub: methods of its ``HfApi``, by keyword."""

    def create_repo(self, **arguments: Any) -> Any:
        """Make a repository, or nothing when it is there."""

    def repo_info(self, **arguments: Any) -> Any:
        """Its commit (``sha``) and files (``siblings``) at a revision."""

    def hf_hub_download(self, **arguments: Any) -> str:
        """Download a file to a folder; gives its path."""

    def preupload_lfs_files(self, **arguments: Any) -> None:
        """Upload the bytes of large files, ahead of the commit that adds them."""

    def create_commit(self, **arguments: Any) -> Any:
        """Add files in one commit on top of ``parent_commit``; gives its ``oid``."""


@dataclass(frozen=True)
class Snapshot:
    """A repository at one commit.

    Attributes:
        commit: its SHA; None while the repository is empty of commits.
        files: the names of its files.
    """

    commit: str | None
    files: frozenset[str]

    @property
    def strangers(self) -> list[str]:
        """Files that no bank puts there, sorted."""
        return sorted(name for name in self.files if not _OURS.fullmatch(name))


class HubRepository:
    """One dataset repository.

    Args:
        name: ``OWNER/NAME``.
        api: huggingface_hub's ``HfApi``, or what stands in for it; None makes one.

    Raises:
        RepositoryNameError: the name is not of that form.
    """

    def __init__(self, name: str, api: HubApi | None = None) -> None:
        if not _NAME.fullmatch(name) or ".." in name or "--" in name:
            raise RepositoryNameError(f"{name!r} names no dataset repository; write OWNER/NAME.")
        if api is None:
            from huggingface_hub import HfApi

            api = HfApi()
        self.name = name
        self._api = api
        self._where = {"repo_id": name, "repo_type": "dataset"}

    def create(self, *, private: bool | None) -> None:
        """Make the repository; one that is there stays as it is."""
        with self._asking():
            self._api.create_repo(**self._where, private=private, exist_ok=True)

    def snapshot(self, revision: str | None = None) -> Snapshot:
        """The repository at a branch, tag or commit, by default its main branch."""
        with self._asking(revision):
            info = self._api.repo_info(**self._where, revision=revision)
        return Snapshot(info.sha, frozenset(file.rfilename for file in info.siblings or ()))

    def index(self, snapshot: Snapshot) -> Index:
        """The index of the bank in it.

        Raises:
            ArchiveError: it is not valid.
        """
        return read_index(self.read(INDEX_NAME, snapshot.commit, MAX_INDEX_BYTES), self.name)

    def card(self, snapshot: Snapshot) -> str | None:
        """Its README; None when there is none."""
        if CARD_NAME not in snapshot.files:
            return None
        return self.read(CARD_NAME, snapshot.commit, _MAX_CARD_BYTES).decode("utf-8", "replace")

    def read(self, name: str, commit: str | None, limit: int) -> bytes:
        """The bytes of a file of at most ``limit`` bytes; nothing stays on disk."""
        with TemporaryDirectory(prefix="freeda-") as folder, self._asking(name=name):
            path = Path(
                self._api.hf_hub_download(**self._where, filename=name, revision=commit, local_dir=folder)
            )
            if path.stat().st_size > limit:
                raise HubError(f"{name} in {self.name} is larger than its index says; get a sound copy.")
            return path.read_bytes()

    def upload(self, files: Mapping[str, bytes]) -> list[Any]:
        """Upload files that :meth:`commit` will add. Memory of large ones is free afterwards."""
        from huggingface_hub import CommitOperationAdd

        additions = [
            CommitOperationAdd(path_in_repo=name, path_or_fileobj=data) for name, data in files.items()
        ]
        with self._asking():
            self._api.preupload_lfs_files(**self._where, additions=additions)
        return additions

    def commit(self, additions: Sequence[Any], message: str, parent: str | None) -> str:
        """Add uploaded files in one commit on top of ``parent``; gives the new commit.

        Raises:
            HubError: somebody else committed meanwhile.
        """
        with self._asking():
            made = self._api.create_commit(
                **self._where, operations=list(additions), commit_message=message, parent_commit=parent
            )
        return str(made.oid)

    @contextmanager
    def _asking(self, revision: str | None = None, name: str | None = None) -> Iterator[None]:
        """Turn whatever goes wrong inside into a :class:`HubError`."""
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

        transport = HfHubHTTPError.__mro__[1]  # the HTTP library's own base, whichever it is
        try:
            with _without_bars:
                yield
        except HubError:
            raise
        except (OfflineModeIsEnabled, LocalEntryNotFoundError) as error:
            raise HubError(self._unreachable()) from error
        except HfHubHTTPError as error:
            raise HubError(self._refusal(error, revision, name)) from error
        except (transport, OSError, ValueError, RuntimeError) as error:
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise HubError(f"{self.name} cannot be reached ({reason[:200]}); run the same again.") from error

    def _unreachable(self) -> str:
        from huggingface_hub.constants import is_offline_mode

        if is_offline_mode():
            return (
                f"{self.name} cannot be reached: HF_HUB_OFFLINE is set; unset it, or use an archive instead."
            )
        return f"{self.name} cannot be reached; see that the network works, then run the same again."

    def _refusal(self, error: Any, revision: str | None, name: str | None) -> str:
        """What a refused request means for a person."""
        from huggingface_hub import errors

        status = error.response.status_code
        if isinstance(error, errors.GatedRepoError):
            return f"{self.name} is gated; ask for access on its page, then `hf auth login`."
        if isinstance(error, errors.RevisionNotFoundError):
            return f"{self.name} has no revision {revision or 'main'!r}; give a branch, a tag or a commit."
        if isinstance(error, errors.EntryNotFoundError):
            return f"{self.name} holds no {name}; it is no bank, or publishing it never came to its end."
        if isinstance(error, errors.RepositoryNotFoundError):
            return (
                f"there is no dataset repository {self.name}, or you may not see it; "
                "correct the name, or log in with `hf auth login`."
            )
        if status in (401, 403):
            return f"you may not do that with {self.name}; log in with `hf auth login` and a token that may."
        if status in (409, 412):
            return f"somebody else published to {self.name} meanwhile; run the same again."
        said = " ".join(str(error.server_message or "no reason given").split())[:200]
        return f"the hub refused a request for {self.name} ({status}: {said}); run the same again later."


class _Bars:
    """Keeps huggingface_hub's own progress bars off the screen while any thread is inside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._shown = False

    def __enter__(self) -> None:
        from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars

        with self._lock:
            self._inside += 1
            if self._inside == 1 and not are_progress_bars_disabled():
                self._shown = True
                disable_progress_bars()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        from huggingface_hub.utils import enable_progress_bars

        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._shown:
                self._shown = False
                enable_progress_bars()


_without_bars = _Bars()
