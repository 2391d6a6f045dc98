"""Makes plan.sha256 from plan.json with an implementation of RFC 8785 that is not ours: `pip install rfc8785`, then run this here."""
import hashlib
import json
import rfc8785

with open("plan.json", "rb") as file:
    document = json.load(file)
with open("plan.sha256", "w") as file:
    file.write("sha256:" + hashlib.sha256(rfc8785.dumps(document)).hexdigest() + "\n")
