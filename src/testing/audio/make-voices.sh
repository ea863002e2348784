#!/bin/sh
# Makes the two sides of the demonstration call: G.711 mu-law, 8000 Hz, one channel, no header.
#
# Debian packages: flite (voices slt and rms), sox. The voices are free software (BSD-like licence of CMU Flite), and
# so is what they say. The files hold speech and pauses only; dialogue.ts says when each side speaks.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# say VOICE NAME TEXT: one phrase without its silent ends, telephone band, even loudness
say() {
  flite -voice "$1" -t "$3" -o "$work/raw.wav"
  sox -D -R "$work/raw.wav" "$work/$2.wav" \
    rate -h 8000 highpass 200 norm -4 \
    silence 1 0.01 0.3% reverse silence 1 0.01 0.3% fade t 0.01 reverse fade t 0.005 pad 0.02 0.04
}

# track OUTPUT PHRASE...: the phrases one after the other, each a whole number of 20 ms packets
track() {
  output=$1
  shift
  : >"$output"
  for name in "$@"; do
    sox -D -R "$work/$name.wav" -t raw -e mu-law -b 8 -r 8000 -c 1 "$work/$name.ulaw"
    bytes=$(wc -c <"$work/$name.ulaw")
    missing=$(((160 - bytes % 160) % 160))
    head -c "$missing" /dev/zero | tr '\0' '\377' >>"$work/$name.ulaw"
    echo "$output: $name $((($(wc -c <"$work/$name.ulaw")) / 160)) packets"
    cat "$work/$name.ulaw" >>"$output"
  done
}

say slt greeting 'Harbor Travel, this is Alice. How can I help you?'
say slt help 'Of course. I see your booking. I will change it now.'
say rms request 'Hello. I booked a ferry for Friday, but I want to sail on Sunday.'
say rms thanks 'Great, thank you!'

track agent.ulaw greeting help
track customer.ulaw request thanks
