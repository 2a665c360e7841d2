"""Large inputs for the programs of dataflows/: `inputs.py FOLDER ROWS` writes FOLDER/dataflows/data/*, so many rows each.

Seeded. Rows come out of order within what their program allows, one in a thousand later than that, where a program has an
answer to it. Numbers that are averaged or added up are multiples of 1/16, so that sums are exact in any order.
"""

import datetime
import json
import os
import random
import sys

START = datetime.datetime(2026, 2, 2, 2)
PAGES = ["/", "/products", "/search", "/cart", "/checkout", "/help"] + [f"/product/{n}" for n in range(1, 41)]


def text(ms):
    return (START + datetime.timedelta(milliseconds=ms)).isoformat(timespec="milliseconds") + "Z"


def times(rng, rows, step_ms, bound_ms, late=0.001):
    for row in range(rows):
        ago = rng.randrange(bound_ms)
        if rng.random() < late:
            ago += bound_ms + rng.randrange(2 * bound_ms)
        yield row * step_ms - ago


def sixteenths(rng, most):
    return rng.randrange(16 * most) / 16


def clicks(rng, rows):
    for ms in times(rng, rows, 10, 5_000):
        page = PAGES[min(int(rng.expovariate(0.2)), len(PAGES) - 1)]
        status = rng.choice([200] * 40 + [301, 404, 500, 503])
        duration = sixteenths(rng, 100) * rng.choice([1, 1, 1, 1, 8])
        yield {"user_id": f"u{rng.randrange(1, 2000)}", "page": page, "status": status, "duration_ms": duration, "ts": text(ms)}


def steps(rng, rows):
    for ms in times(rng, rows, 100, 120_000):
        action = rng.choice(["view"] * 12 + ["search"] * 4 + ["add"] * 3 + ["buy"])
        amount = sixteenths(rng, 200) if action == "buy" else 0.0
        yield {"user_id": f"user-{rng.randrange(20_000)}", "action": action, "amount": amount, "ts": text(ms)}


def meters(rng, rows):
    for ms in times(rng, rows, 5, 3_000, 0.05):
        yield {"meter": f"m{rng.randrange(500)}", "kwh": sixteenths(rng, 4), "ts": text(ms)}


def payments(rng, rows):
    for ms in times(rng, rows, 20, 10_000):
        kind = rng.choice(["login", "buy", "buy", "view", "view", "view"])
        row = {"user_id": f"u{rng.randrange(5_000)}" if rng.random() > 0.001 else None, "kind": kind, "ts": text(ms)}
        if kind == "login":
            row["risk"] = rng.randrange(100) / 100
        if kind == "buy":
            row["amount"] = rng.randrange(1, 1_100)
        yield row


def orders(rng, rows):
    yield "region,product,channel,quantity,price,ts\n"
    for ms in times(rng, rows, 50, 60_000, 0):
        pick = lambda *values: rng.choice(values)
        yield (
            f"{pick('north', 'south', 'east', 'west', '')},{pick('desk', 'chair', 'lamp', 'shelf')},{pick('web', 'phone', 'shop', '')},"
            f"{rng.randrange(1, 9)},{sixteenths(rng, 300)},{text(ms)[:-1].replace('T', ' ')}\n"
        )


def main():
    folder, rows = os.path.join(sys.argv[1], "dataflows", "data"), int(sys.argv[2])
    for kind in (clicks, steps, meters, payments):
        with open(os.path.join(folder, f"{kind.__name__}.ndjson"), "w", encoding="utf-8") as out:
            out.writelines(json.dumps(row) + "\n" for row in kind(random.Random(kind.__name__), rows))
    with open(os.path.join(folder, "orders.csv"), "w", encoding="utf-8") as out:
        out.writelines(orders(random.Random("orders"), rows))


if __name__ == "__main__":
    main()
