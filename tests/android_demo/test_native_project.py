"""The Gradle project of the app, as far as it can be read without Gradle: catalog, resources, manifest, names."""

import json
import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

_DEMO = Path(__file__).resolve().parents[2] / "android_demo"
_NATIVE = _DEMO / "native"
_MAIN = _NATIVE / "app" / "src" / "main"
_ANDROID = "{http://schemas.android.com/apk/res/android}"
_TOOLS = "{http://schemas.android.com/tools}"
_SCRIPTS = sorted(
    [*_NATIVE.rglob("*.gradle.kts"), *(_DEMO / name / "build.gradle.kts" for name in ("core", "decoder"))]
)
_SOURCES = sorted((_NATIVE / "app" / "src").rglob("*.kt"))
_XML = sorted(_NATIVE.rglob("*.xml"))


def _catalog() -> dict[str, dict[str, dict[str, str]]]:
    return tomllib.loads((_NATIVE / "gradle" / "libs.versions.toml").read_text(encoding="utf-8"))


def _strings(folder: str) -> dict[str, str]:
    root = ElementTree.parse(_MAIN / "res" / folder / "strings.xml").getroot()
    return {item.attrib["name"]: item.text or "" for item in root.iter("string")}


def _accessors(table: str, prefix: str) -> set[str]:
    return {prefix + name.replace("-", ".").replace("_", ".") for name in _catalog()[table]}


def test_versions_that_are_named_are_there_and_used() -> None:
    catalog = _catalog()
    named = {
        entry["version"]["ref"]  # type: ignore[index]
        for table in ("libraries", "plugins")
        for entry in catalog[table].values()
        if "version" in entry
    }
    assert named == set(catalog["versions"])


def test_build_files_use_the_libraries_of_the_catalog() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in _SCRIPTS)
    used = set(re.findall(r"\blibs(?:\.[a-z0-9]+)+", text))
    assert used == _accessors("libraries", "libs.") | _accessors("plugins", "libs.plugins.")


def test_modules_of_the_build_are_there() -> None:
    settings = (_NATIVE / "settings.gradle.kts").read_text(encoding="utf-8")
    moved = dict(re.findall(r'project\("(:\w+)"\)\.projectDir = file\("([^"]+)"\)', settings))
    modules = re.findall(r'"(:\w+)"', re.search(r"include\((.*)\)", settings)[1])  # type: ignore[index]
    assert modules == [":app", ":core", ":decoder"]
    for module in modules:
        assert (_NATIVE / moved.get(module, module[1:]) / "build.gradle.kts").is_file()


def test_tests_compile_the_core_with_the_kotlin_of_the_build() -> None:
    package = json.loads((_DEMO / "on_jvm" / "package.json").read_text(encoding="utf-8"))
    assert package["dependencies"]["kotlin-compiler"] == _catalog()["versions"]["kotlin"]


def test_locks_name_no_host() -> None:
    assert "://" not in (_DEMO / "on_jvm" / "package-lock.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", _XML, ids=lambda path: str(path.relative_to(_NATIVE)))
def test_resources_are_well_formed(path: Path) -> None:
    ElementTree.parse(path)


def test_german_has_the_strings_and_places_of_english() -> None:
    english, german = _strings("values"), _strings("values-de")
    assert list(english) == list(german)
    for name, text in english.items():
        places = sorted(re.findall(r"%\d\$\.?\d?[sdf]", text))
        assert sorted(re.findall(r"%\d\$\.?\d?[sdf]", german[name])) == places, name
        assert [int(place[1]) for place in places] == list(range(1, len(places) + 1)), name


def test_every_string_is_used_and_every_used_one_is_there() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in _SOURCES)
    manifest = (_MAIN / "AndroidManifest.xml").read_text(encoding="utf-8")
    used = set(re.findall(r"R\.string\.(\w+)", code)) | set(re.findall(r"@string/(\w+)", manifest))
    assert used == set(_strings("values"))


def test_the_only_permission_is_the_camera() -> None:
    root = ElementTree.parse(_MAIN / "AndroidManifest.xml").getroot()
    kept = [
        item.attrib[f"{_ANDROID}name"]
        for item in root.iter()
        if item.tag.startswith("uses-permission") and item.get(f"{_TOOLS}node") != "remove"
    ]
    assert kept == ["android.permission.CAMERA"]
    removed = {item.attrib[f"{_ANDROID}name"] for item in root.iter("uses-permission")} - set(kept)
    assert {"android.permission.INTERNET", "android.permission.ACCESS_NETWORK_STATE"} <= removed


def test_resources_that_are_named_are_there() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in _XML)
    for kind, name in re.findall(r"@(drawable|mipmap|xml)/(\w+)", text):
        assert list((_MAIN / "res").glob(f"{kind}*/{name}.xml")), f"{kind}/{name}"
    assert all(f'name="{name}"' in text for name in re.findall(r"@style/([\w.]+)", text))


def test_packages_are_folders() -> None:
    for path in [*_SOURCES, *sorted((_DEMO / "core" / "src").rglob("*.kt"))]:
        package = re.search(r"^package ([\w.]+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert package is not None
        assert path.parent.as_posix().endswith("kotlin/" + package[1].replace(".", "/")), path


def test_packed_models_are_stored_as_they_are() -> None:
    script = (_NATIVE / "app" / "build.gradle.kts").read_text(encoding="utf-8")
    assert 'noCompress += listOf("tfz"' in script
    for setting in ("minSdk = 26", "targetSdk = 36", 'abiFilters += listOf("arm64-v8a", "x86_64")'):
        assert setting in script
