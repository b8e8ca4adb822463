"""`eo-pygeoapi prefect-server`: Prefect's own server, whose writers wait for each other on SQLite.

Prefect begins most of its transactions on SQLite as readers (`BEGIN DEFERRED`). SQLite refuses at once what one of them
writes after another has written, whatever the time that it may wait: requests are answered with 503, events are lost.
Here each begins as a writer (`BEGIN IMMEDIATE`) and waits for its turn. What Prefect reads without a transaction waits
for nobody, and PostgreSQL is left as it is.

Prefect also lets each of up to fifteen connections keep 80 MB of the database in memory, which fills as the database
grows. The system's cache holds the file once, for all.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from prefect.server.api.server import create_app
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.database.dependencies import set_database_config
from prefect.server.utilities.database import get_dialect
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, get_current_settings
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction
from sqlalchemy.pool import ConnectionPoolEntry

CACHE_KIB = 2048  # as SQLite itself has it


class WaitingSqlite(AioSqliteConfiguration):
    """A database in SQLite whose transactions take the lock for writing when they begin, and with small caches."""

    def setup_sqlite(self, conn: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        """Set a new connection up as Prefect does, but for its cache."""
        super().setup_sqlite(conn, record)
        cursor = conn.cursor()
        cursor.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        cursor.close()

    @asynccontextmanager
    async def begin_transaction(
        self, session: AsyncSession, with_for_update: bool = False
    ) -> AsyncGenerator[AsyncSessionTransaction, None]:
        """Begin a transaction once no other one is open."""
        async with super().begin_transaction(session, with_for_update=True) as transaction:
            yield transaction


def serve(host: str, port: int) -> None:
    """Run Prefect's server until SIGINT or SIGTERM, with the settings that Prefect reads from the environment."""
    settings = get_current_settings().server
    database = PREFECT_API_DATABASE_CONNECTION_URL.value()
    if get_dialect(database).name == "sqlite":
        set_database_config(WaitingSqlite(connection_url=database))
    uvicorn.run(
        create_app(final=True),
        host=host,
        port=port,
        log_level=settings.logging_level.lower(),
        timeout_keep_alive=settings.api.keepalive_timeout,
        ws_ping_interval=settings.api.websocket_ping_interval,
        ws_ping_timeout=settings.api.websocket_ping_timeout,
    )
