# json.jq - does a value fit a JSON Schema?  Strictly: what the schema does not name is an error, in the value and in the
# schema.  Of the schema's language it knows what docs/json.md uses.

def kind: if type == "number" and . == floor then "integer" else type end;

def fits($types): kind as $k | [$types] | flatten | any(. == $k or (. == "number" and $k == "integer"));

# Each problem as a line; $at tells where.
def problems($s; $at):
  (($s | keys) - ["type", "description", "properties", "required", "additionalProperties", "items", "enum", "minimum",
    "pattern"] | .[] | "\($at): the schema says \"\(.)\", which this test does not know"),
  if ($s.type | not) or (fits($s.type) | not) then
    "\($at): is of type \(kind), not \($s.type)"
  elif type == "object" then
    (if $s.additionalProperties == false then empty else "\($at): the schema is open" end),
    ((keys - ($s.properties | keys))[] | "\($at).\(.): is not documented"),
    (($s.required - keys)[] | "\($at).\(.): is missing"),
    ((keys - (keys - ($s.properties | keys)))[] as $k | .[$k] | problems($s.properties[$k]; "\($at).\($k)"))
  elif type == "array" then
    (.[] | problems($s.items; "\($at)[]"))
  else
    . as $v |
    (if $s.enum and ([$s.enum[] == $v] | any | not) then "\($at): is \($v), which is none of its values" else empty end),
    (if $s.minimum and $v < $s.minimum then "\($at): is \($v)" else empty end),
    (if $s.pattern and ($v | test($s.pattern) | not) then "\($at): is \($v), not \($s.pattern)" else empty end)
  end;

# The places of all fields: those of a schema, and those of a value.
def known($s; $at):
  ($s.properties // {} | keys[] as $k | "\($at).\($k)", known($s.properties[$k]; "\($at).\($k)")),
  (if $s.items then known($s.items; "\($at)[]") else empty end);

def seen($at):
  if type == "object" then keys[] as $k | "\($at).\($k)", (.[$k] | seen("\($at).\($k)"))
  elif type == "array" then .[] | seen("\($at)[]")
  else empty end;
