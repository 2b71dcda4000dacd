"""The one script of the board, made of its modules."""

import pytest

from billor.board.modules import assemble


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
