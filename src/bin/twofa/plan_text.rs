//! A plan as people read it: what comes, differs and goes, old beside new, and what people would notice.

use serde_json::Value;
use twofa::name::{counted, unabridged};
use twofa::plan::{Change, Field, Op};
use twofa::policy::Impact;

/// The plan; empty when nothing would change.
pub fn plan(changes: &[Change], impact: &[Impact]) -> String {
    let mut text = String::new();
    let mut before: Option<(&Change, String)> = None;
    for change in changes {
        let head = head(change);
        // What follows about the same thing stands under one head.
        let again = before.as_ref().is_some_and(|(last, said)| {
            last.op == change.op && *said == head && change.op == Op::Edit
        });
        if !again {
            text.push_str(&head);
            text.push('\n');
        }
        for field in shown(change) {
            text.push_str(&line(change.op, field));
        }
        before = Some((change, head));
    }
    if !impact.is_empty() {
        text.push_str("\nAt their next login:\n");
        for one in impact {
            text.push_str(&format!("  {}.\n", one.message));
        }
    }
    text
}

/// `3 changes (2 added, 1 edited)`.
pub fn counts(changes: &[Change]) -> String {
    let parts: Vec<String> = [
        (Op::Add, "added"),
        (Op::Edit, "edited"),
        (Op::Remove, "removed"),
    ]
    .into_iter()
    .map(|(op, word)| (op.count(changes), word))
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| format!("{count} {word}"))
    .collect();
    format!(
        "{} ({})",
        counted(changes.len() as u64, "change", "changes"),
        parts.join(", ")
    )
}

/// A field that names what the change is about, and does not differ.
fn naming(change: &Change) -> Option<&Field> {
    change.fields.first().filter(|field| field.old == field.new)
}

fn head(change: &Change) -> String {
    let mark = match change.op {
        Op::Add => '+',
        Op::Edit => '~',
        Op::Remove => '-',
    };
    let mut head = format!("{mark} {} {}", change.noun, unabridged(&change.key));
    if let Some(field) = naming(change) {
        head.push_str(&format!(": {} {}", field.name, value(&field.new)));
    }
    if let [field] = change.fields.as_slice()
        && field.name == "value"
    {
        head.push_str(&format!(": {} → {}", value(&field.old), value(&field.new)));
    }
    head
}

/// The fields below a head.
fn shown(change: &Change) -> impl Iterator<Item = &Field> {
    let alone = change.fields.len() == 1;
    change.fields.iter().filter(move |field| {
        let is_value = alone && field.name == "value";
        // What is new has its name above; what it has not needs no line.
        let says = match change.op {
            Op::Add => !empty(&field.new) && field.new != Value::String(change.key.clone()),
            Op::Edit => true,
            Op::Remove => false,
        };
        field.old != field.new && !is_value && says
    })
}

fn line(op: Op, field: &Field) -> String {
    let (old, new) = (&field.old, &field.new);
    let long = |value: &Value| value.as_str().is_some_and(|text| text.contains('\n'));
    if long(old) || long(new) {
        let mut text = format!("    {}:\n", field.name);
        for (mark, value) in [('-', old), ('+', new)] {
            for line in value.as_str().unwrap_or_default().lines() {
                text.push_str(&format!("      {mark} {}\n", unabridged(line)));
            }
        }
        return text;
    }
    // Somebody comes into a thing, or leaves it.
    match (field.name, old, new) {
        ("user" | "group", Value::Null, name) => {
            return format!("    + {} {}\n", field.name, value(name));
        }
        ("user" | "group", name, Value::Null) => {
            return format!("    - {} {}\n", field.name, value(name));
        }
        _ => {}
    }
    if op == Op::Add {
        return format!("    {}: {}\n", field.name, value(new));
    }
    format!("    {}: {} → {}\n", field.name, value(old), value(new))
}

fn empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => unabridged(text).into_owned(),
        Value::Array(list) if list.is_empty() => "–".to_owned(),
        Value::Array(list) => list.iter().map(self::value).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
