#!/usr/bin/env python3
"""Makes the recordings beside this file anew from dialogues.toml.

    ./make-samples.py            all of them
    ./make-samples.py NAME ...   only these

Needs Python 3.11 and the Debian packages `flite` (speech synthesiser) and `sox` (audio tool). The
same versions of both give the same bytes.
Ends with an error when a recording's length is not the `duration_seconds` written down for it.
"""

import math
import shutil
import struct
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORKING_RATE = 16000
DEFAULT_PAUSE_SECONDS = 0.6
LEAD_SECONDS = 0.4
TAIL_SECONDS = 0.5
# A quiet line: about 70 dB below full scale, so that no channel is digitally silent.
LINE_NOISE_VOLUME = 0.0005
TELEPHONE_BAND_HZ = "300-3400"
ENCODINGS = {"pcm16": ("signed-integer", "16"), "mulaw": ("mu-law", "8")}


def main():
    dialogues = tomllib.loads((HERE / "dialogues.toml").read_text(encoding="utf-8"))
    wanted = set(sys.argv[1:])
    known = {call["name"] for call in dialogues["call"]}
    if unknown := wanted - known:
        sys.exit(f"no such call: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    if missing := [tool for tool in ("flite", "sox") if shutil.which(tool) is None]:
        sys.exit(f"not installed: {', '.join(missing)} (the packages have the same names)")

    wrong = []
    for call in dialogues["call"]:
        if not call.get("recording", True) or (wanted and call["name"] not in wanted):
            continue
        path = HERE / f"{call['name']}.wav"
        seconds = make(call, dialogues["voices"], path)
        print(f"{path.name:36} {seconds:6.2f} s {path.stat().st_size:8} bytes")
        if math.ceil(seconds) != call["duration_seconds"]:
            wrong.append(f"{call['name']}: duration_seconds must be {math.ceil(seconds)}")
    if wrong:
        sys.exit("\n".join(wrong))


def make(call, voices, path):
    """Writes one call's recording and returns its length in seconds."""
    if call.get("empty"):
        path.write_bytes(header_without_samples(call["channels"], call["rate"]))
        return 0.0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        if call.get("silent"):
            clean = silence(folder, call["channels"], call["duration_seconds"])
        else:
            clean = conversation(folder, call, voices)
        noise = line_noise(folder, call["channels"], length(clean))
        encode([clean, noise], call, path)
    return length(path)


def conversation(folder, call, voices):
    """All lines in order, each on its speaker's channel, the other channel silent meanwhile."""
    parts = []
    for index, line in enumerate(call["lines"]):
        pause = LEAD_SECONDS if index == 0 else line.get("pause", DEFAULT_PAUSE_SECONDS)
        tail = TAIL_SECONDS if index == len(call["lines"]) - 1 else 0
        spoken = speak(folder / f"spoken-{index}.wav", voices[line["voice"]], line["text"])
        part = folder / f"part-{index}.wav"
        sox(spoken, part, "pad", pause, tail, "remix", *placement(line["speaker"], call["channels"]))
        parts.append(part)
    whole = folder / "conversation.wav"
    sox(*parts, whole)
    return whole


def placement(speaker, channels):
    """sox's remix arguments: an inbound call's first channel is the caller (Twilio: parent leg)."""
    if channels == 1:
        return ["1"]
    return ["1", "0"] if speaker == "caller" else ["0", "1"]


def speak(path, voice, text):
    """One line as 16 kHz mono, without the synthesiser's silence before and after it."""
    raw = path.with_suffix(".raw.wav")
    settings = []
    if "pitch_hz" in voice:
        settings += ["--setf", f"int_f0_target_mean={voice['pitch_hz']}"]
    if "stretch" in voice:
        settings += ["--setf", f"duration_stretch={voice['stretch']}"]
    run("flite", "-voice", voice["flite"], *settings, "-t", text, "-o", raw)
    trim_start = ["silence", "1", "0.02", "0.5%"]
    sox(raw, "-b", "16", path, "rate", WORKING_RATE,
        *trim_start, "reverse", *trim_start, "reverse", "pad", "0.1", "0.1", "norm", "-4")
    return path


def silence(folder, channels, seconds):
    path = folder / "silence.wav"
    sox("-n", "-r", WORKING_RATE, "-c", channels, "-b", "16", path, "trim", "0", seconds)
    return path


def line_noise(folder, channels, seconds):
    path = folder / "noise.wav"
    sox("-n", "-r", WORKING_RATE, "-c", channels, "-b", "16", path,
        "synth", seconds, "whitenoise", "vol", LINE_NOISE_VOLUME)
    return path


def encode(layers, call, path):
    encoding, bits = ENCODINGS[call["encoding"]]
    effects = []
    if call["rate"] == 8000:
        effects = ["sinc", TELEPHONE_BAND_HZ, "rate", call["rate"]]
    inputs = [argument for layer in layers for argument in ("-v", "1", layer)]
    sox("-m", *inputs, "-e", encoding, "-b", bits, path, *effects)


def header_without_samples(channels, rate):
    """A RIFF/WAVE header for 16-bit PCM with a data chunk of length 0: 44 bytes."""
    block = channels * 2
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * block, block, 16)
    return struct.pack("<4sI4s", b"RIFF", 36, b"WAVE") + form + struct.pack("<4sI", b"data", 0)


def length(path):
    """Seconds."""
    return float(run("sox", "--info", "-D", path).stdout)


def sox(*arguments):
    run("sox", "-R", "-V1", *arguments)


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\nfailed: {done.stderr.strip()}")
    return done


if __name__ == "__main__":
    main()
