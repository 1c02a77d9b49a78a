"""What a client can try, by topic: each module's `cases()` gives the cases of one topic, without their proof."""

from . import (
    altering, cascades, dropping, dynamic, elsewhere, encodings, everyday, existing_calls, existing_hooks, migrations,
    outside, protocol, reading, rereading, routines, rows, settings, temporary, tools, unaskable,
)  # fmt: skip

TOPICS = (
    dropping, altering, rows, routines, rereading, reading, settings, encodings, protocol, outside, everyday, tools,
    migrations, existing_calls, existing_hooks, temporary, cascades, dynamic, elsewhere, unaskable,
)  # fmt: skip
