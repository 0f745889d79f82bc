//! Which tools there are and how each is called directly.
//! What a tool may do is the policy's to say.

use std::sync::LazyLock;

use engine::policy::Effect;
use serde::Serialize;
use serde_json::{Value, json};

use crate::tool;

/// A tool, for people and programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Described {
    /// Its name.
    pub name: String,
    /// What it does to the world at most.
    pub effect: Effect,
    /// What the registration says of it.
    pub tags: Vec<String>,
    /// JSON Schema of the arguments of a direct call; none where a command of its own asks for it.
    pub arguments: Option<Value>,
    /// JSON Schema of the arguments as rules see them; a call or a command makes them from what it is given.
    pub in_rules: Value,
    /// JSON Schema of its result; none for programs.
    pub result: Option<Value>,
}

static TOOLS: LazyLock<Vec<Described>> = LazyLock::new(described);

/// Every registered tool, by name.
#[must_use]
pub fn tools() -> &'static [Described] {
    &TOOLS
}

fn described() -> Vec<Described> {
    let described = |tool: engine::policy::Tool| Described {
        arguments: arguments(&tool),
        in_rules: tool.schema.clone(),
        result: tool::result_schema(&tool.name),
        name: tool.name,
        effect: tool.effect,
        tags: tool.tags,
    };
    tool::registered().into_iter().map(described).collect()
}

/// The arguments of a direct call. What a policy sees of a program is derived from them.
fn arguments(tool: &engine::policy::Tool) -> Option<Value> {
    match (tool.effect, tool.name.as_str()) {
        (Effect::Read, _) => Some(tool.schema.clone()),
        (Effect::Exec, tool::EXEC_RUN) => {
            let argument = json!({ "type": "string" });
            Some(program(
                "argv",
                &json!({ "type": "array", "items": argument, "minItems": 1, "maxItems": 1024 }),
            ))
        }
        (Effect::Exec, _) => Some(program("script", &json!({ "type": "string", "minLength": 1 }))),
        (Effect::Write | Effect::Net, _) => None,
    }
}

fn program(name: &str, schema: &Value) -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": [name],
        "properties": {
            name: schema,
            "env": { "type": "object", "additionalProperties": text, "maxProperties": 256 },
            "stdin": text,
            "timeout": { "type": "string", "description": "Such as `30s`." },
            "profile": { "enum": ["strict", "strict-net", "standard", "standard-net"] },
            "hosts": { "type": "array", "items": text, "minItems": 1, "maxItems": 64 },
        },
    })
}
