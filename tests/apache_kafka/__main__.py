"""Says in one line whether Apache Kafka can be run here, and ends with status 1 where not."""

from __future__ import annotations

import sys

from tests.apache_kafka.broker import class_path, java
from tests.apache_kafka.jars import UnavailableError

try:
    java()
    class_path()
except UnavailableError as error:
    print(error)
    sys.exit(1)
