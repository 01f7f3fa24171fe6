"""A TCP proxy before the emulator, each of whose connections has a fault of its own."""

import collections
import random
import socket
import struct
import threading
import time

FAULTS = ["none"] * 12 + ["late", "late", "hangs", "reset", "cut", "garbage", "unavailable"]
LIFETIME = 4


class FaultProxy:
    """Carries connections to one port; healed, it closes those with a fault and adds none."""

    def __init__(self, port):
        self.target, self.is_healed = port, False
        self.counts = collections.Counter()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def heal(self):
        self.is_healed = True

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            fault = "none" if self.is_healed else random.choice(FAULTS)
            self.counts[fault] += 1
            threading.Thread(target=self.carry, args=(client, fault), daemon=True).start()

    def carry(self, client, fault):
        try:
            server = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            return client.close()
        threading.Thread(target=pump, args=(client, server), daemon=True).start()
        self.answer(server, client, fault)
        for end in (client, server):
            end.close()

    def answer(self, server, client, fault):
        """Carries answers until the connection's lifetime is over; the first answer after its grace has the fault."""
        began, answers = time.monotonic(), 0
        grace = random.randrange(0, 6)
        try:
            while data := server.recv(65_536):
                answers += 1
                if fault == "none" or answers <= grace or self.is_healed:
                    client.sendall(data)
                elif fault == "late":
                    time.sleep(random.uniform(0.1, 3))
                    client.sendall(data)
                else:
                    return spoil(client, data, fault)
                if fault != "none" and (self.is_healed or time.monotonic() - began > LIFETIME):
                    return None
        except OSError:
            return None


def spoil(client, data, fault):
    """Ends a connection badly."""
    if fault == "hangs":
        time.sleep(random.uniform(5, 25))
    elif fault == "cut":
        client.sendall(data[: len(data) // 2])
    elif fault == "garbage":
        client.sendall(bytes(random.randrange(256) for _ in range(len(data))))
    elif fault == "unavailable":
        client.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy")
    else:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def pump(source, target):
    try:
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
