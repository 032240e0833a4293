//! The published JSON Schema of the policy file, made from its types: editors complete and check with it.

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::document::{Document, Grantee, Method as Entry, VERSION};
use crate::method::Method;
use crate::setting::{self, Shape};
use crate::verb::Operation;

/// The schema, as JSON Schema 2020-12.
#[must_use]
pub fn schema() -> Value {
    SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<Document>()
        .to_value()
}

pub(super) fn version(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "const": VERSION })
}

/// Each setting by its code, with its type and bounds as the catalogue has them.
pub(super) fn settings(_: &mut SchemaGenerator) -> Schema {
    let properties: Map<String, Value> = setting::ALL
        .iter()
        .map(|setting| {
            let mut value = match setting.shape {
                Shape::Bool => json!({ "type": "boolean" }),
                Shape::Int { min, max, .. } => json!({ "anyOf": [
                    { "type": "integer", "minimum": min, "maximum": max },
                    { "type": "string", "description": "with its unit: 5m, 90s" },
                ] }),
                Shape::Text { max } => json!({ "type": "string", "maxLength": max }),
                _ => json!({ "type": "string" }),
            };
            value["description"] = setting.meaning.into();
            (setting.code.to_owned(), value)
        })
        .collect();
    closed(properties)
}

/// Each method by its code.
pub(super) fn methods(generator: &mut SchemaGenerator) -> Schema {
    let entry = generator.subschema_for::<Entry>().to_value();
    let each = Method::ALL
        .into_iter()
        .map(|method| (method.code().to_owned(), entry.clone()));
    closed(each.collect())
}

/// Each operation by its code.
pub(super) fn permissions(generator: &mut SchemaGenerator) -> Schema {
    let rows = generator.subschema_for::<Vec<Grantee>>().to_value();
    let each = Operation::ALL
        .iter()
        .map(|operation| (operation.code().to_owned(), rows.clone()));
    closed(each.collect())
}

/// A row names one of the two.
pub(super) fn user_or_group(schema: &mut Schema) {
    schema.insert(
        "oneOf".to_owned(),
        json!([{ "required": ["user"] }, { "required": ["group"] }]),
    );
}

fn closed(properties: Map<String, Value>) -> Schema {
    json_schema!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}
