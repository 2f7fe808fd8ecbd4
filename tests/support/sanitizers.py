# SPDX-License-Identifier: MIT
"""What shows that a sanitizer has reported something, whatever it runs in."""

import re

REPORT = re.compile("(?:Address|Thread|Leak|Memory|UndefinedBehavior)Sanitizer|runtime error: ")
