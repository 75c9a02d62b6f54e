"""Where do notes about sends go, and whose are read?"""

from pathlib import Path

from messaging.adapters.files.flights import FileFlightLog, FileWrecks, is_possible
from messaging.application.ports.flights import FlightLog, NoFlights, Wrecks
from messaging.entrypoints.settings import Settings


def flight_log(settings: Settings) -> FlightLog:
    directory = _directory(settings)
    return NoFlights() if directory is None else FileFlightLog(directory)


def wrecks(settings: Settings) -> Wrecks:
    directory = _directory(settings)
    return NoFlights() if directory is None else FileWrecks(directory)


def _directory(settings: Settings) -> Path | None:
    told = settings.flights_directory
    return Path(told) if told is not None and is_possible() else None
