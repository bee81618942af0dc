#!/bin/sh
# A subscriber that writes a mail for each event that it is given:
#
#     [[subscriber]]
#     id = "page-me"
#     command = ["/usr/local/bin/notify-by-mail.sh", "me@example.org"]
#     kinds = ["account.needs_reauth", "account.failed", "subscriber.disabled", "job.dead", "store.damaged"]
#
# The event comes as JSON on stdin. The environment holds PATH alone. What it says on stderr is kept with the try; another
# exit code than 0 means: not taken, again later. It has 10 s.
set -eu
to=${1:?write an address behind the program}
event=$(cat)
kind=$(printf '%s' "$event" | sed -n 's/^{"type":"\([a-z._]*\)".*/\1/p')
{
    printf 'To: %s\nSubject: Postrider: %s\n\n' "$to" "${kind:-an event}"
    printf '%s\n' "$event"
} | "${SENDMAIL:-/usr/sbin/sendmail}" -t
