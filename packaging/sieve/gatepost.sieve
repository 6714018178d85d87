# Files what Gatepost marked as probably (medium) or certainly (high) unwanted in the folder Junk.
#
# For sites whose action for such mail is `header` or `subject`: it is accepted, marked, and found by its recipient here.
# Dovecot runs it before everybody's own rules with
#
#     plugin {
#       sieve_before = /etc/dovecot/sieve/gatepost.sieve
#     }
#
# Only the topmost field counts: ours stands above all that a stranger wrote, and a mail that somebody released says
# `none` there, so that it is not filed away again. `stop` keeps a vacation reply from being sent to what is junk.
require ["fileinto", "mailbox", "index"];

if header :index 1 :is "X-Gatepost-Level" ["medium", "high"] {
    fileinto :create "Junk";
    stop;
}
