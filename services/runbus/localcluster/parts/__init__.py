"""The processes of a local cluster: a supervisor over an API server and its agents.

Consumes: the command line. Emits: the readiness line on stdout, ``DIR/{api,agents}.pid``.
Owns: DIR/lock and the two processes; each part keeps its pid file locked while it lives, so that
a part is there once only, and a new one waits for the end of the old.
Invariants: a part that dies is started again, the API on the same address with the same objects;
parts end with their supervisor, however that dies (their stdin is its pipe); agents meet the API
over HTTP only, whichever process it is in.
Must not know: what an API server or an agent does.
"""
