#!/usr/bin/env python3
"""The same job as a user would script it: DictReader, checks, JSON, a SHA-256 chain, SQLite with synchronous=FULL.

python3 peer.py FILE.csv DATABASE    prints how many rows were accepted and rejected
"""
import csv
import datetime
import hashlib
import json
import re
import sqlite3
import sys

ROWS_A_COMMIT = 1024
QUALIFICATION = re.compile(r"[0-9]{3}/[0-9]{4}/[0-9X]")


def uln_ok(text):
    if len(text) != 10 or not text.isdigit() or text[0] == "0":
        return False
    return sum(int(digit) * weight for digit, weight in zip(text, range(10, 0, -1))) % 11 == 10


def faults(row, today):
    found = []
    if not uln_ok(row["ULN"]):
        found.append("2L-003")
    for column in ("First name", "Last name"):
        if not row[column]:
            found.append("2L-001")
        elif any(letter.isdigit() or letter == "@" for letter in row[column]):
            found.append("2L-012")
    for column in ("Date of birth", "Start date"):
        try:
            if datetime.date.fromisoformat(row[column]) > today:
                found.append("2L-009")
        except ValueError:
            found.append("2L-007")
    if not QUALIFICATION.fullmatch(row["Qualification number"]):
        found.append("2L-021")
    return found


def main():
    path, database = sys.argv[1:]
    db = sqlite3.connect(database)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE entry(sequence INTEGER PRIMARY KEY, hash BLOB, body TEXT)")
    db.execute("CREATE TABLE enrolled(uln TEXT, qualification TEXT, PRIMARY KEY(uln, qualification)) WITHOUT ROWID")
    chain, sequence, accepted, rejected = b"", 0, 0, 0
    today = datetime.date.today()
    with open(path, newline="", encoding="utf-8-sig") as file:
        for line, row in enumerate(csv.DictReader(file), 2):
            found = faults(row, today)
            key = (row["ULN"], row["Qualification number"])
            if not found and db.execute("SELECT 1 FROM enrolled WHERE uln=? AND qualification=?", key).fetchone():
                found.append("4S-001")
            if found:
                rejected += 1
            else:
                accepted += 1
                db.execute("INSERT INTO enrolled VALUES(?,?)", key)
            body = json.dumps({"sequence": sequence, "line": line, "codes": found, "row": row})
            chain = hashlib.sha256(chain + body.encode()).digest()
            db.execute("INSERT INTO entry VALUES(?,?,?)", (sequence, chain, body))
            sequence += 1
            if sequence % ROWS_A_COMMIT == 0:
                db.commit()
    db.commit()
    print(json.dumps({"accepted": accepted, "rejected": rejected}))


main()
