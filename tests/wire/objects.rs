//! The objects of our kinds, as JSON and as events of a watch.

use std::sync::Arc;

use kube::Resource;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use stackgate::queue::Kind;
use stackgate_sim::{
    each_kind,
    world::{Object, ObjectKey},
};

/// The kinds by what paths call them, and whether they lie in namespaces.
pub const PLURALS: [(&str, Kind, bool); 6] = [
    ("awsaccounts", Kind::AwsAccount, false),
    ("bootstraps", Kind::Bootstrap, false),
    ("cloudassemblies", Kind::CloudAssembly, true),
    ("stages", Kind::Stage, true),
    ("changeplans", Kind::ChangePlan, true),
    ("freezes", Kind::Freeze, false),
];

/// The key of an object of this kind. Names are unique over all namespaces here.
pub fn key_of(kind: Kind, name: &str) -> ObjectKey {
    let name = name.to_owned();
    match kind {
        Kind::AwsAccount => ObjectKey::Account(name),
        Kind::Bootstrap => ObjectKey::Bootstrap(name),
        Kind::CloudAssembly => ObjectKey::Assembly(name),
        Kind::Stage => ObjectKey::Stage(name),
        Kind::ChangePlan => ObjectKey::Plan(name),
        Kind::Freeze => ObjectKey::Freeze(name),
    }
}

/// The kind of a key.
pub fn kind_of(key: &ObjectKey) -> Kind {
    match key {
        ObjectKey::Account(_) => Kind::AwsAccount,
        ObjectKey::Bootstrap(_) => Kind::Bootstrap,
        ObjectKey::Assembly(_) => Kind::CloudAssembly,
        ObjectKey::Stage(_) => Kind::Stage,
        ObjectKey::Plan(_) => Kind::ChangePlan,
        ObjectKey::Freeze(_) => Kind::Freeze,
    }
}

/// As the API server sends it.
pub fn to_json(object: &Object) -> Value {
    fn json<K: Serialize>(object: &Arc<K>) -> Value {
        serde_json::to_value(&**object).unwrap()
    }
    each_kind!(object, o => json(o))
}

/// As the API server reads it; what it does not know is told, and would be pruned.
pub fn from_json(kind: Kind, value: &Value) -> Result<(Object, Value), String> {
    fn read<K: DeserializeOwned + Serialize>(
        value: &Value,
        wrap: fn(Arc<K>) -> Object,
    ) -> Result<(Object, Value), String> {
        let object: K = serde_json::from_value(value.clone()).map_err(|e| e.to_string())?;
        let known = serde_json::to_value(&object).map_err(|e| e.to_string())?;
        match unknown(value, &known, "") {
            None => Ok((wrap(Arc::new(object)), known)),
            Some(path) => Err(format!("unknown field {path}")),
        }
    }
    match kind {
        Kind::AwsAccount => read(value, Object::Account),
        Kind::Bootstrap => read(value, Object::Bootstrap),
        Kind::CloudAssembly => read(value, Object::Assembly),
        Kind::Stage => read(value, Object::Stage),
        Kind::ChangePlan => read(value, Object::Plan),
        Kind::Freeze => read(value, Object::Freeze),
    }
}

/// The first field that is given and was not read.
fn unknown(given: &Value, known: &Value, path: &str) -> Option<String> {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => given.iter().find_map(|(field, value)| {
            let path = format!("{path}.{field}");
            match known.get(field) {
                Some(known) => unknown(value, known, &path),
                // What is empty says nothing.
                None if value.is_null()
                    || *value == Value::Array(Vec::new())
                    || *value == Value::Bool(false) =>
                {
                    None
                }
                None => Some(path),
            }
        }),
        (Value::Array(given), Value::Array(known)) => {
            given.iter().zip(known).enumerate().find_map(|(n, (g, k))| unknown(g, k, &format!("{path}[{n}]")))
        }
        _ => None,
    }
}

/// Objects that the simulator has made begin to count their generations.
pub fn begin_generation(object: &mut Object) {
    fn begin<K: Resource + Clone>(object: &mut Arc<K>) {
        Arc::make_mut(object).meta_mut().generation.get_or_insert(1);
    }
    each_kind!(object, o => begin(o));
}

/// Its namespace.
pub fn namespace(object: &Object) -> Option<&str> {
    each_kind!(object, o => o.metadata.namespace.as_deref())
}
