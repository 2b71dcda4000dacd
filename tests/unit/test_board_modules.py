"""The one script of the board, made of its modules."""

import pytest

from billor.board.modules import assemble


def test_a_module_comes_once_after_those_that_it_imports():
    modules = {
        "js/main.js": 'import { one } from "./a/one.js";\nimport { h as draw } from "preact";',
        "js/a/one.js": 'import {\n  two,\n} from "../two.js";\nexport const one = two;',
        "js/two.js": 'import { h } from "preact";\nexport async function* two() {}',
        "vendor/preact.mjs": "var x;export{x as h,x};\n",
    }
    script = assemble(modules, "js/main.js")
    parts = script.split("modules[")
    defined = [part.split('"')[1] for part in parts if "= await (async () =>" in part]
    assert defined == ["vendor/preact.mjs", "js/two.js", "js/a/one.js", "js/main.js"]
    assert 'const { h: draw } = modules["vendor/preact.mjs"];' in script
    assert "return {h: x, x: x};" in script


@pytest.mark.parametrize(
    "line",
    [
        'import "./two.js";',
        'import all from "./two.js";',
        'import * as all from "./two.js";',
        'export { two } from "./two.js";',
        "export default 2;",
        "export let changing = 2;",
        'import { main } from "./main.js";',
    ],
)
def test_what_would_not_work_in_one_script_is_refused(line):
    with pytest.raises(ValueError, match="main"):
        assemble({"js/main.js": line, "js/two.js": "export const two = 2;"}, "js/main.js")
