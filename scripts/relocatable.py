"""Make the programs of a virtual environment find Python by their own location.

Installers give them an absolute path, which breaks when the folder is renamed or moved.
"""

import re
import sys
from pathlib import Path

BY_PATH = re.compile(rb"\A#!(/bin/sh\n'''exec' .*\n' '''|.*/bin/python[0-9.]*)\n")
BY_LOCATION = b"""#!/bin/sh
'''exec' "$(dirname "$0")/python" "$0" "$@"
' '''
"""

for program in Path(sys.argv[1]).iterdir():
    if program.is_file() and not program.is_symlink():
        content = program.read_bytes()
        if BY_PATH.match(content):
            program.write_bytes(BY_PATH.sub(lambda _: BY_LOCATION, content))
