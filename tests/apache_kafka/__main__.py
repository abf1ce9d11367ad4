"""Says in one line whether Apache Kafka can be run here, and ends with status 1 where not."""

from __future__ import annotations

import sys

from tests.apache_kafka.broker import first_start
from tests.apache_kafka.jars import UnavailableError

try:
    first_start()
except UnavailableError as error:
    print(error)
    sys.exit(1)
