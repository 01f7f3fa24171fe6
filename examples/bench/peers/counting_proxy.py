"""Counts SQS's calls: passes each connection on to the emulator, and reads the action in the header of each request."""

import asyncio
import collections
import re
import threading

ACTION = re.compile(rb"x-amz-target: *AmazonSQS\.(\w+)\r\n", re.IGNORECASE)
# What of one read may be the beginning of a header that ends in the next.
TAIL = 120


class CountingProxy:
    """Listens on a port of its own, in a thread of its own."""

    def __init__(self, host, port):
        self.calls = collections.Counter()
        self._behind = (host, port)
        started = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True).start()
        started.wait()

    async def _serve(self, started):
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await server.serve_forever()

    async def _connected(self, reader, writer):
        behind_reader, behind_writer = await asyncio.open_connection(*self._behind)
        await asyncio.gather(
            self._pass(reader, behind_writer, self._count()), self._pass(behind_reader, writer, lambda part: None)
        )

    def _count(self):
        before = b""

        def count(part):
            nonlocal before
            text = before + part
            found = list(ACTION.finditer(text))
            self.calls.update(match.group(1).decode() for match in found)
            before = text[max(found[-1].end() if found else 0, len(text) - TAIL) :]

        return count

    @staticmethod
    async def _pass(reader, writer, see):
        try:
            while part := await reader.read(65536):
                see(part)
                writer.write(part)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()
