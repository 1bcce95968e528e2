"""A service that registers with py_eureka_client and looks up another one.

Argument: the URL of the registry. Commands, one a line: "status WORD" and
"restore"; the end of the input stops it.
"""
import asyncio
import os
import sys
import threading

from py_eureka_client import eureka_client


def report(line):
    print(line, flush=True)


def watch(client):
    seen = None
    while True:
        app = client.applications.get_application("ORDERS")
        ids = sorted(f"{i.instanceId}@{i.port.port}" for i in app.up_instances) if app else []
        line = " ".join(["ORDERS", *ids])
        if line != seen:
            seen = line
            report(line)
        threading.Event().wait(0.02)


def leave_within(seconds):
    """Without a registry, the client would try to withdraw for ever."""
    watchdog = threading.Timer(seconds, os._exit, [1])
    watchdog.daemon = True
    watchdog.start()


async def main():
    client = await eureka_client.init_async(
        eureka_server=sys.argv[1],
        app_name="python-service",
        instance_id="127.0.0.1:python:8080",
        instance_ip="127.0.0.1",
        instance_host="127.0.0.1",
        instance_port=8080,
        metadata={"zone": "z1", "1a_b c": "odd"},
        renewal_interval_in_secs=1,
        duration_in_secs=30,
    )
    report("STARTED")
    threading.Thread(target=watch, args=(client,), daemon=True).start()
    loop = asyncio.get_running_loop()
    while True:
        words = (await loop.run_in_executor(None, sys.stdin.readline)).split()
        if not words:
            break
        if words[0] == "status":
            await client.status_update(words[1])
        elif words[0] == "restore":
            await client.delete_status_override()
        report("DONE")
    leave_within(20)
    await eureka_client.stop_async()
    report("STOPPED")
    os._exit(0)  # the thread of the heartbeats does not end


asyncio.run(main())
