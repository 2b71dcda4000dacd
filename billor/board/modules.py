"""One script made of the board's modules, so that browsers send one request for all of them.

Each module becomes a function that returns its exports, after the modules that it imports. Names
stay in their module, as they do in a browser, and modules may await. Billor does not start if a
module imports or exports in another way.
"""

import posixpath
import re
from collections.abc import Mapping

IMPORT = re.compile(r'^import ?\{([^}]*)\} ?from ?"([^"]+)";?', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) (\w+))", re.MULTILINE)
MINIFIED_EXPORTS = re.compile(r"\bexport\{([^}]*)\};?$", re.MULTILINE)
UNKNOWN = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def assemble(modules: Mapping[str, str], main: str) -> str:
    """Return a script that does what the module `main` does; `modules` are sources by path."""
    functions: dict[str, str] = {}

    def add(path: str, importers: tuple[str, ...]) -> None:
        if path in importers:
            raise ValueError(f"{path} imports itself, by {importers}")
        if path not in functions:
            for _, address in IMPORT.findall(modules[path]):
                add(_path_of(address, path), (*importers, path))
            functions[path] = _as_function(path, modules[path])

    add(main, ())
    return "const modules = {};\n" + "".join(functions.values())


def _path_of(address: str, importer: str) -> str:
    if address.startswith("."):
        return posixpath.normpath(posixpath.join(posixpath.dirname(importer), address))
    return f"vendor/{address.replace('/', '-')}.mjs"


def _as_function(path: str, source: str) -> str:
    def constants(found: re.Match[str]) -> str:
        names, address = found.groups()
        return f'const {{{names.replace(" as ", ": ")}}} = modules["{_path_of(address, path)}"];'

    exports = EXPORT.findall(source)
    for names in MINIFIED_EXPORTS.findall(source):
        pairs = [name.split(" as ") for name in names.split(",")]
        exports += [f"{pair[-1]}: {pair[0]}" for pair in pairs]
    body = MINIFIED_EXPORTS.sub("", EXPORT.sub("", IMPORT.sub(constants, source)))
    if unknown := UNKNOWN.search(body):
        raise ValueError(f"{path} has {unknown[0]!r}")
    return (
        f'modules["{path}"] = await (async () => {{\n{body}\n'
        f"return {{{', '.join(exports)}}};\n}})();\n"
    )
