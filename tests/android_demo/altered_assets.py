"""The assets of the APK in a folder where they can be changed."""

import json
import shutil
from pathlib import Path
from typing import Any

from tfcompress.files import sha256
from tfcompress.packing.packing import pack


class AlteredAssets:
    """A copy in which the second model, demo.json or the whole demo can be exchanged."""

    def __init__(self, assets: Path, folder: Path) -> None:
        self.assets, self._www = folder / "assets", folder / "assets" / "www"
        shutil.copytree(assets / "www", self._www, ignore=shutil.ignore_patterns("wasm"))
        (self._www / "wasm").symlink_to(assets / "www" / "wasm")
        self.demo_file = self._www / "demo" / "demo.json"
        self.packed = self._www / "demo" / "models" / "patterns-int8.tfz"

    def replace_demo(self, folder: Path) -> None:
        """Another demo folder, as build_apk would put it in."""
        shutil.rmtree(self.demo_file.parent)
        shutil.copytree(folder, self.demo_file.parent, ignore=shutil.ignore_patterns("*.tflite"))

    def change_model(self, **changes: Any) -> None:
        """Other values in the second model's part of demo.json."""
        demo = json.loads(self.demo_file.read_text(encoding="utf-8"))
        demo["models"][1] |= changes
        self.demo_file.write_text(json.dumps(demo), encoding="utf-8")

    def replace_model(self, content: bytes) -> None:
        """Another file as second model, packed and with its own hash: demo.json is not the one to blame."""
        path = self.assets / "model.tflite"
        path.write_bytes(content)
        pack(path, self.packed, force=True, card=False, compare=False)
        self.change_model(sha256=sha256(path))
