"""Small exports as shops, programs and data sets write them: the files that docs/guide/your-data.md reads."""

import csv
import datetime
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

USERS, ITEMS = 40, 16
START = datetime.datetime(2023, 11, 20, 9, 15, tzinfo=datetime.UTC)
Buy = tuple[int, int, datetime.datetime]  # user and item from 1 on, time


def buys(shift: int = 0) -> Iterator[Buy]:
    """The same in every export: who bought what and when, an item mostly followed by the next one. In order of time."""
    choice = random.Random(7)
    rows = []
    for user in range(1, USERS + 1):
        item, moment = choice.randrange(ITEMS), START + datetime.timedelta(minutes=choice.randrange(9000))
        for _ in range(6 + user % 6):
            rows.append((user, item + 1 + shift, moment))
            item = (item + 1) % ITEMS if choice.random() < 0.8 else choice.randrange(ITEMS)
            moment += datetime.timedelta(hours=choice.randrange(2, 90), minutes=choice.randrange(60))
    return iter(sorted(rows, key=lambda row: row[2]))


def movielens(folder: Path) -> None:
    with (folder / "ratings.csv").open("w", newline="") as handle:
        rows = csv.writer(handle, lineterminator="\r\n")
        rows.writerow(["userId", "movieId", "rating", "timestamp"])
        rows.writerows([user, item, 0.5 + item % 5, int(moment.timestamp())] for user, item, moment in buys())
    with (folder / "movies.csv").open("w", newline="") as handle:
        rows = csv.writer(handle, lineterminator="\r\n")
        rows.writerow(["movieId", "title", "genres"])
        genres = ("Action|Sci-Fi", "Comedy", "Children's|Comedy", "(no genres listed)")
        rows.writerows([item, f"Part {item}, The (19{80 + item})", genres[item % 4]] for item in range(1, ITEMS + 1))


def german(folder: Path) -> None:
    """Semicolons, decimal commas, and the byte order mark of Excel."""
    lines = ["Kunde;Artikel;Preis;Datum"]
    lines += [f"K{u};{1000 + i};{3 + i},{i % 10}9;{m:%d.%m.%Y %H:%M}" for u, i, m in buys()]
    (folder / "verkauf.csv").write_text("\r\n".join(lines) + "\r\n", encoding="utf-8-sig", newline="")
    items = ["Artikel;Gruppe;Gewicht", *(f"{1000 + i};Gruppe {i % 4};{i},25" for i in range(1, ITEMS + 1))]
    (folder / "artikel.csv").write_text("\r\n".join(items) + "\r\n", encoding="utf-8-sig", newline="")


def utf16(folder: Path) -> None:
    """Excel's "Unicode text": tabs, and quotes where a field has one."""
    lines = ["Customer\tProduct\tWhen", *(f"Zoë {u}\tThé {i}\t{m:%Y-%m-%d %H:%M:%S}" for u, i, m in buys())]
    (folder / "export.txt").write_text("\r\n".join(lines) + "\r\n", encoding="utf-16", newline="")


def cp1252(folder: Path) -> None:
    lines = ["client,produit,date", *(f"André {u},Café n° {i},{m:%d/%m/%Y %H:%M}" for u, i, m in buys())]
    (folder / "ventes.csv").write_text("\n".join(lines) + "\n", encoding="cp1252")


def events(folder: Path) -> None:
    """Views before purchases, one JSON object per line, milliseconds."""
    with (folder / "events.jsonl").open("w") as handle:
        for user, item, moment in buys():
            stamp = int(moment.timestamp() * 1000)
            for kind, before in (("view", 60_000), ("view", 30_000), ("purchase", 0)):
                content = {"visitor": {"id": user}, "event": kind, "sku": f"S{item}", "ts": stamp - before}
                handle.write(json.dumps(content) + "\n")


def parts(folder: Path) -> None:
    """A folder of Parquet parts, as Spark writes them, with times in a zone."""
    table = list(buys())
    (folder / "orders").mkdir()
    (folder / "orders" / "_SUCCESS").touch()
    for number, start in enumerate(range(0, len(table), 100)):
        rows = table[start : start + 100]
        frame = pl.DataFrame(
            {
                "customer_id": [float(user) for user, _, _ in rows],
                "sku": [item for _, item, _ in rows],
                "ordered_at": [moment for _, _, moment in rows],
            }
        )
        zoned = frame.with_columns(pl.col("ordered_at").dt.convert_time_zone("America/New_York"))
        zoned.write_parquet(folder / "orders" / f"part-{number:05}.parquet")


def clicks(folder: Path) -> None:
    """Without a header: session, time, item, category."""
    lines = [f"{u},{m:%Y-%m-%dT%H:%M:%S}.{i:03}Z,{214_000_000 + i},{i % 3}" for u, i, m in buys()]
    (folder / "clicks.dat").write_text("\n".join(lines))


def sequences(folder: Path) -> None:
    by_user: dict[int, list[str]] = {}
    for user, item, _ in buys():
        by_user.setdefault(user, []).append(str(item))
    (folder / "sequences.txt").write_text("".join(f"{user} {' '.join(items)}\n" for user, items in by_user.items()))


def invoices(folder: Path) -> None:
    """American dates, cancellations, and rows without a customer; the first days could be either way round."""
    lines = ["InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"]
    for number, (user, item, moment) in enumerate(buys(), 536_365):
        customer = "" if number % 9 == 0 else f"{17_000 + user}.0"
        moment = moment.replace(tzinfo=None)
        date = f"{moment.month}/{moment.day}/{moment.year} {moment.hour}:{moment.minute:02}"
        quantity = -1 if number % 20 == 0 else 6
        lines.append(f'{number},{85_000 + item}A,"LANTERN, WHITE",{quantity},{date},2.55,{customer},United Kingdom')
    (folder / "invoices.csv").write_text("\n".join(lines) + "\n")


def recbole(folder: Path) -> None:
    inter = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    inter += [f"{u}\t{i}\t4.0\t{int(m.timestamp())}.0" for u, i, m in buys()]
    (folder / "shop.inter").write_text("\n".join(inter) + "\n")
    item = [
        "item_id:token\tname:token_seq\tclass:token_seq",
        *(f"{i}\tThing {i}\tc{i % 3} d{i % 2}" for i in range(1, ITEMS + 1)),
    ]
    (folder / "shop.item").write_text("\n".join(item) + "\n")


EXPORTS: dict[str, Callable[[Path], None]] = {
    "MovieLens": movielens,
    "A semicolon CSV with decimal commas": german,
    "UTF-16, from Excel": utf16,
    "An older program on Windows": cp1252,
    "An event log with views and purchases": events,
    "A folder of Parquet parts": parts,
    "Clicks without a header": clicks,
    "Sequences": sequences,
    "Invoices": invoices,
    "RecBole": recbole,
}
