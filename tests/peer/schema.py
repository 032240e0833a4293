"""Judges policy files by the JSON Schema on standard input: `schema.py FILE...`, one line for each."""

import json
import sys
import tomllib

import jsonschema

schema = json.load(sys.stdin)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
for name in sys.argv[1:]:
    with open(name, "rb") as file:
        document = json.load(file) if name.endswith(".json") else tomllib.load(file)
    errors = [error.json_path for error in validator.iter_errors(document)]
    print("valid" if not errors else "invalid " + " ".join(sorted(errors)))
