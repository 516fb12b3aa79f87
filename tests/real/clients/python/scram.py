"""The client's side of SCRAM-SHA-256 (RFC 5802): from its own first message (without the "n,,") and the server's, its second one."""

import base64
import hashlib
import hmac
import sys


def main():
    password, client_first, server_first = sys.argv[1:]
    said = dict(part.split("=", 1) for part in server_first.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(said["s"]), int(said["i"]))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    without_proof = "c=biws,r=" + said["r"]
    to_sign = ",".join([client_first, server_first, without_proof]).encode()
    signature = hmac.digest(hashlib.sha256(client_key).digest(), to_sign, "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    print(without_proof + ",p=" + base64.b64encode(proof).decode(), end="")


main()
