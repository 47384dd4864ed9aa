"""Clients that call and reconnect until a file appears: clients.py COUNT FILE. Prints how many calls were answered, how many could not
connect, and how many of those that connected got no answer."""

import os
import socket
import sys
import threading
import time

count, end = int(sys.argv[1]), sys.argv[2]
BODY = b'{"platform":"x","function":"one","params":[]}'
REQUEST = b"POST /call HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
answered, refused, unanswered, longest = [0], [], [], [0.0]
lock = threading.Lock()


def client():
    while not os.path.exists(end):
        begun = time.monotonic()
        try:
            connection = socket.create_connection(("127.0.0.1", 9000), timeout=60)
        except OSError as error:
            with lock:
                refused.append(str(error))
            continue
        try:
            connection.sendall(REQUEST)
            answer = b""
            while part := connection.recv(65536):
                answer += part
        except OSError as error:
            answer = str(error).encode()
        connection.close()
        with lock:
            longest[0] = max(longest[0], time.monotonic() - begun)
            if answer.startswith(b"HTTP/1.1 200 "):
                answered[0] += 1
            else:
                unanswered.append(answer[:300])


threads = [threading.Thread(target=client) for _ in range(count)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(f"{answered[0]} answered, {len(refused)} refused {refused[:2]}, {len(unanswered)} unanswered {unanswered[:2]}, longest {longest[0]:.1f} s")
sys.exit(bool(refused or unanswered))
