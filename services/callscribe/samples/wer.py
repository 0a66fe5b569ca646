#!/usr/bin/env python3
"""Measures an engine's word error rate on the recordings beside this file.

    ./wer.py                     all of them, with PocketSphinx
    ./wer.py NAME ...            only these
    ./wer.py --command 'my-engine {audio}'
                                 another engine: prints the text of a 16 kHz mono WAV on stdout
    ./wer.py --database data/callscribe.db
                                 what Callscribe wrote down of these calls (`callscribe up --once`)

Each channel goes to the engine by itself, as 16 kHz mono PCM, and is compared with what
dialogues.toml says is spoken on it: word error rate = (substituted + left out + put in) / words
spoken, over words in lower case without punctuation. It can exceed 100 %.
"service" and "city" tell whether those words stand in the engine's text.
Needs Python 3.11; without --database also `sox` and the engine (packages `pocketsphinx` and
`pocketsphinx-en-us`).
"""

import argparse
import json
import re
import shlex
import sqlite3
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
# At its default threshold of 2.0, PocketSphinx takes the line noise before a channel's first word
# for speech, adapts to it, and then misreads that first sentence.
POCKETSPHINX = "pocketsphinx_continuous -vad_threshold 3.0 -infile {audio}"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("names", nargs="*", metavar="NAME")
    options.add_argument("--command", default=POCKETSPHINX)
    options.add_argument("--database", type=Path)
    options = options.parse_args()

    calls = tomllib.loads((HERE / "dialogues.toml").read_text(encoding="utf-8"))["call"]
    recorded = [call for call in calls if call.get("recording", True) and not call.get("empty")]
    if unknown := set(options.names) - {call["name"] for call in recorded}:
        sys.exit(f"no recording with words or noise in it: {', '.join(sorted(unknown))}")

    print("| call | words | errors | WER | service | city |")
    print("|---|---:|---:|---:|---|---|")
    transcripts = []
    spoken_in_all = errors_in_all = 0
    for call in recorded:
        if options.names and call["name"] not in options.names:
            continue
        spoken = errors = 0
        heard = {}
        for channel, (label, reference) in enumerate(references(call), start=1):
            if options.database:
                heard[label] = stored(options.database, call, label)
            else:
                heard[label] = transcribe(call["name"], channel, options.command)
            spoken += len(reference)
            errors += distance(reference, heard[label])
        spoken_in_all += spoken
        errors_in_all += errors
        print(f"| {call['name']} | {spoken} | {errors} | {rate(errors, spoken)} "
              f"| {found(call, 'service_words', heard)} | {found(call, 'city', heard)} |", flush=True)
        transcripts += [(call["name"], label, " ".join(text)) for label, text in heard.items()]
    print(f"| all | {spoken_in_all} | {errors_in_all} | {rate(errors_in_all, spoken_in_all)} | | |\n")
    for name, label, text in transcripts:
        print(f"{name} [{label}] {text}")


def references(call):
    """What is spoken on each channel, in the order of the channels."""
    lines = call.get("lines", [])
    if call["channels"] == 1:
        return [("both", words(" ".join(line["text"] for line in lines)))]
    return [
        (speaker, words(" ".join(line["text"] for line in lines if line["speaker"] == speaker)))
        for speaker in ("caller", "agent")
    ]


def transcribe(name, channel, command):
    with tempfile.TemporaryDirectory() as folder:
        audio = str(Path(folder) / "channel.wav")
        run(["sox", "-R", "-V1", str(HERE / f"{name}.wav"), "-e", "signed-integer", "-b", "16",
             audio, "remix", str(channel), "rate", "16000"])
        return words(run([part.replace("{audio}", audio) for part in shlex.split(command)]))


def stored(database, call, label):
    """What Callscribe's rows say was heard on one channel; nothing, where nothing was."""
    with sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True) as rows:
        row = rows.execute("SELECT segments FROM recordings WHERE recording_sid = ?",
                           [call["recording_sid"]]).fetchone()
    if row is None:
        sys.exit(f"{database} has no row for {call['name']}: let the calls finish first")
    segments = json.loads(row[0] or "[]")
    return words(" ".join(segment["text"] for segment in segments
                          if label in ("both", segment["speaker"])))


def words(text):
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.lower())


def distance(reference, heard):
    """The least number of words to substitute, delete and insert (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for i, expected in enumerate(reference, start=1):
        previous, row[0] = row[0], i
        for j, word in enumerate(heard, start=1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (expected != word))
    return row[-1]


def found(call, field, heard):
    if field not in call.get("expected", {}):
        return "not said"
    wanted = f" {' '.join(words(call['expected'][field]))} "
    return "yes" if any(wanted in f" {' '.join(text)} " for text in heard.values()) else "**no**"


def rate(errors, spoken):
    return f"{100 * errors / spoken:.0f} %" if spoken else "—"


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{shlex.join(command)}\nfailed: {done.stderr.strip()[-500:]}")
    return done.stdout


if __name__ == "__main__":
    main()
