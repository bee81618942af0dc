#!/usr/bin/env python3
"""Keeps a copy of a mailbox's state from the feed alone, across restarts of either side. State and cursor are one
transaction, so an event counts once, however often it is told. `print` shows what `postrider export` shows, sorted.

    POSTRIDER_URL=http://127.0.0.1:8025 POSTRIDER_TOKEN=... mirror.py ACCOUNT STATE.db poll|stream|print
"""
import http.client, json, os, sqlite3, sys, time, urllib.error, urllib.parse, urllib.request

account, file, mode = sys.argv[1:4]
db = sqlite3.connect(file)
db.executescript("""CREATE TABLE IF NOT EXISTS cursor (id INTEGER PRIMARY KEY, after INTEGER);
    CREATE TABLE IF NOT EXISTS folder (id INTEGER PRIMARY KEY, path TEXT);
    CREATE TABLE IF NOT EXISTS mail (id INTEGER PRIMARY KEY, sha256 TEXT);
    CREATE TABLE IF NOT EXISTS place (mail INTEGER, folder INTEGER, uid INTEGER, flags TEXT);
    CREATE INDEX IF NOT EXISTS place_mail ON place (mail); INSERT OR IGNORE INTO cursor VALUES (0, 0);""")

def apply(event):
    data, mail, folder = event["data"], event["message"], event["folder"]
    if event["kind"].startswith("folder.") and data:
        db.execute("INSERT OR REPLACE INTO folder VALUES (?, ?)", (folder, data["path"]))
        if event["kind"] == "folder.reset":  # its UIDs are void: those that are told from here on are new
            db.execute("UPDATE place SET uid = NULL WHERE folder = ?", (folder,))
    if event["kind"].startswith("message.") and data:
        if event["mail"]:
            db.execute("INSERT OR REPLACE INTO mail VALUES (?, ?)", (mail, event["mail"]["sha256"]))
        now = data["locations"] if data["count"] <= len(data["locations"]) else data["changed"]
        if data["what"] == "state" or data["count"] <= len(data["locations"]):  # all of its places
            db.execute("DELETE FROM place WHERE mail = ?", (mail,))
        elif data["what"] != "began":  # of a mail in many places what changed
            for place in now:
                db.execute("""DELETE FROM place WHERE rowid = (SELECT rowid FROM place WHERE mail = ? AND folder = ? AND
                    (uid = ? OR uid IS NULL) ORDER BY uid IS NULL LIMIT 1)""", (mail, place["folder"], place["uid"]))
            now = [] if data["what"] == "ended" else now
        db.executemany("INSERT INTO place VALUES (?, ?, ?, ?)", [(mail, p["folder"], p["uid"], p["flags"]) for p in now])

while mode != "print":
    (after,), = db.execute("SELECT after FROM cursor")
    query = urllib.parse.urlencode({"account": account, "after": after, "fields": "head"})
    way = "/v1/events/stream?" if mode == "stream" else "/v1/events?limit=1000&wait=25&"
    request = urllib.request.Request(os.environ["POSTRIDER_URL"] + way + query)
    request.add_header("Authorization", "Bearer " + os.environ["POSTRIDER_TOKEN"])
    try:
        told, events = None, []
        for line in urllib.request.urlopen(request, timeout=60):
            if mode == "poll":
                told, events, line = json.loads(line)["next"], json.loads(line)["items"], b"\n"
            elif line.startswith(b"id: "):  # of a comment, too: so far there was nothing for us
                told = int(line[4:])
            elif line.startswith(b"data: "):
                events = [json.loads(line[6:])]
            if line == b"\n" and told is not None:
                with db:
                    for event in events:
                        apply(event)
                    db.execute("UPDATE cursor SET after = ?", (told,))
                told, events = None, []
        time.sleep(0 if mode == "poll" else 0.5)
    except urllib.error.HTTPError as refused:
        if refused.code < 500:  # 410: what followed is no longer kept, begin again from `postrider export`
            sys.exit(refused.read().decode())
        time.sleep(1)
    except (OSError, ValueError, http.client.HTTPException):  # it restarts; a line that was cut off does not count
        time.sleep(0.2)

for line in db.execute("SELECT path, sha256, flags FROM place JOIN folder ON folder.id = folder JOIN mail ON mail.id = mail"):
    print(*line, sep="\t")
