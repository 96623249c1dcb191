"""A small hub on this machine: the routes of the Hugging Face hub that fetching needs.

Revision info, file tree, HEAD and GET of files. Parquet and safetensors files are LFS files (SHA-256 in the tree),
all others are git blobs (SHA-1).
"""

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

Files = dict[str, bytes]


def _is_lfs(name: str) -> bool:
    return name.endswith((".parquet", ".safetensors"))


def _blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class LocalHub:
    """Repositories, what was asked for, and the mischief that a test wants."""

    revisions: dict[tuple[str, str], str] = field(default_factory=dict)
    """(`models/ID` or `datasets/ID`, revision) -> commit."""
    commits: dict[str, Files] = field(default_factory=dict)
    downloads: list[str] = field(default_factory=list)
    """Files whose content was asked for."""
    calls: int = 0
    """Requests of any kind."""
    gated: set[str] = field(default_factory=set)
    spoilt: set[str] = field(default_factory=set)
    """Files that come damaged."""
    stalled: set[str] = field(default_factory=set)
    """Files that come by half, and then nothing more."""
    reached: threading.Event = field(default_factory=threading.Event)
    """Set when a stalled file is asked for."""
    released: threading.Event = field(default_factory=threading.Event)
    """To be set when nobody waits for stalled files any more."""

    def publish(self, kind: str, name: str, revision: str, files: Files) -> str:
        """Put files on a branch of a repository; return the commit."""
        digest = hashlib.sha1(f"{kind}/{name}".encode())
        for path, content in sorted(files.items()):
            digest.update(path.encode() + content)
        commit = digest.hexdigest()
        self.revisions[f"{kind}s/{name}", revision] = commit
        self.revisions[f"{kind}s/{name}", commit] = commit
        self.commits[commit] = files
        return commit

    def serve(self) -> ThreadingHTTPServer:
        """Start serving on a free port, in a thread of its own."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server


class _Handler(BaseHTTPRequestHandler):
    hub: LocalHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        self.hub.calls += 1
        path = urlsplit(self.path).path
        if found := re.fullmatch(r"/api/((?:models|datasets)/[^/]+/[^/]+)/(revision|tree)/([^/]+)", path):
            self._describe(found[1], found[2], unquote(found[3]))
        elif found := re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._file(
                ("datasets/" if found[1] else "models/") + found[2], unquote(found[3]), unquote(found[4])
            )
        else:
            self._fail(404, "")

    def _describe(self, name: str, what: str, revision: str) -> None:
        if name in self.hub.gated:
            return self._fail(403, "GatedRepo")
        if not any(known == name for known, _ in self.hub.revisions):
            return self._fail(404, "RepoNotFound")
        commit = self.hub.revisions.get((name, revision))
        if commit is None:
            return self._fail(404, "RevisionNotFound")
        files = self.hub.commits[commit]
        if what == "tree":
            return self._json([_entry(path, content) for path, content in sorted(files.items())])
        siblings = [{"rfilename": path} for path in sorted(files)]
        return self._json({"id": name.partition("/")[2], "sha": commit, "siblings": siblings, "tags": []})

    def _file(self, name: str, revision: str, path: str) -> None:
        commit = self.hub.revisions.get((name, revision), "")
        content = self.hub.commits.get(commit, {}).get(path)
        if content is None:
            return self._fail(404, "EntryNotFound")
        etag = hashlib.sha256(content).hexdigest() if _is_lfs(path) else _blob_id(content)
        self.send_response(200)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.hub.downloads.append(path)
            self._send(path, content)
        return None

    def _send(self, path: str, content: bytes) -> None:
        if path in self.hub.stalled:
            self.wfile.write(content[: len(content) // 2])
            self.hub.reached.set()
            self.hub.released.wait(60)
        elif path in self.hub.spoilt:
            self.wfile.write(content[:-1] + bytes([content[-1] ^ 1]))
        else:
            self.wfile.write(content)

    def _json(self, value: Any) -> None:
        content = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _fail(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _entry(path: str, content: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": _blob_id(content)}
    if _is_lfs(path):
        oid = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": oid, "size": len(content), "pointerSize": 130}
    return entry
