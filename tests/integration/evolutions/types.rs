//! Types of columns and parameters: how they are written, values of them, and which are wider or narrower. Every value
//! given out fits the narrowest type that its column may ever get.

use super::model::{Default, Id, Model};
use super::names::{literal, sql_name};
use crate::support::random::Random;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    SmallInt,
    Integer,
    BigInt,
    Real,
    Double,
    Varchar(u32),
    Text,
    Numeric(u32, u32),
    AnyNumeric,
    Boolean,
    Date,
    Timestamptz,
    Jsonb,
    Uuid,
    Inet,
    Integers,
    Texts,
    Enum(Id),
}

/// Those that a column may begin with.
const PLAIN: [Type; 18] = [
    Type::SmallInt,
    Type::Integer,
    Type::Integer,
    Type::BigInt,
    Type::Real,
    Type::Double,
    Type::Varchar(20),
    Type::Varchar(60),
    Type::Text,
    Type::Numeric(8, 2),
    Type::Numeric(12, 2),
    Type::Boolean,
    Type::Date,
    Type::Timestamptz,
    Type::Jsonb,
    Type::Uuid,
    Type::Integers,
    Type::Texts,
];

impl Type {
    /// Any type; one in five is an enum, where there are some.
    pub(super) fn any(model: &Model, random: &mut Random) -> Self {
        match random.below(20) {
            0 => Self::Inet,
            1..=4 if !model.enums.is_empty() => Self::Enum(model.enums[random.below(model.enums.len())].id),
            _ => PLAIN[random.below(PLAIN.len())],
        }
    }

    /// As it stands in SQL, in one of the ways to write it.
    pub(super) fn sql(self, model: &Model) -> String {
        match self {
            Self::SmallInt => "smallint".to_owned(),
            Self::Integer => "INT".to_owned(),
            Self::BigInt => "bigint".to_owned(),
            Self::Real => "float4".to_owned(),
            Self::Double => "double precision".to_owned(),
            Self::Varchar(length) => format!("VARCHAR({length})"),
            Self::Text => "text".to_owned(),
            Self::Numeric(precision, scale) => format!("decimal({precision}, {scale})"),
            Self::AnyNumeric => "numeric".to_owned(),
            Self::Boolean => "boolean".to_owned(),
            Self::Date => "date".to_owned(),
            Self::Timestamptz => "TIMESTAMP WITH TIME ZONE".to_owned(),
            Self::Jsonb => "jsonb".to_owned(),
            Self::Uuid => "uuid".to_owned(),
            Self::Inet => "inet".to_owned(),
            Self::Integers => "integer[]".to_owned(),
            Self::Texts => "text[]".to_owned(),
            Self::Enum(id) => sql_name(&model.enum_type(id).name),
        }
    }

    /// A value for row `row`, as a literal; those of two rows differ, except of types that have only a few.
    pub(super) fn value(self, model: &Model, row: usize) -> String {
        match self {
            Self::SmallInt | Self::Integer | Self::BigInt => format!("{row}"),
            Self::Real | Self::Double | Self::Numeric(..) | Self::AnyNumeric => format!("{row}.5"),
            Self::Varchar(_) | Self::Text => literal(&format!("é'\"{row}")),
            Self::Boolean => (row.is_multiple_of(2)).to_string(),
            Self::Date => format!("date '2024-02-01' + {row}"),
            Self::Timestamptz => format!("timestamptz '2024-02-01 12:00:00+00' + interval '{row} hours'"),
            Self::Jsonb => format!("'{{\"row\": {row}}}'"),
            Self::Uuid => format!("'00000000-0000-0000-0000-{row:012}'"),
            Self::Inet => format!("'10.0.0.{}/32'", row % 250),
            Self::Integers => format!("ARRAY[{row}, NULL, -1]"),
            Self::Texts => format!("ARRAY['x{row}', NULL, '']"),
            Self::Enum(id) => {
                let one = model.enum_type(id);
                let known: Vec<_> = one.values.iter().filter(|value| !one.new_values.contains(value)).collect();
                literal(known[row % known.len()])
            }
        }
    }

    /// A default; `None` for types that have none here.
    pub(super) fn default(self, model: &Model, random: &mut Random) -> Option<Default> {
        let number = random.below(100);
        let expression = |sql: &str| Some(Default::Expression(sql.to_owned()));
        match self {
            Self::Timestamptz if number < 70 => expression("NOW()"),
            Self::Date => expression("CURRENT_DATE"),
            Self::Uuid => expression("gen_random_uuid()"),
            Self::Integers => expression("ARRAY[]::int[]"),
            Self::Texts => expression("'{}'"),
            Self::Timestamptz => None,
            Self::Numeric(..) | Self::AnyNumeric | Self::Integer if number < 30 => expression("1 + 2 * 3"),
            Self::Varchar(_) | Self::Text if number < 30 => expression("upper('a') || 'b'"),
            _ => Some(Default::Literal(self.value(model, number))),
        }
    }

    /// Types that hold every value of this one.
    pub(super) fn wider(self) -> Vec<Self> {
        match self {
            Self::SmallInt => vec![Self::Integer, Self::BigInt],
            Self::Integer => vec![Self::BigInt, Self::AnyNumeric],
            Self::BigInt => vec![Self::AnyNumeric],
            Self::Real => vec![Self::Double],
            Self::Varchar(length) => vec![Self::Varchar(length + 15), Self::Text],
            Self::Numeric(precision, scale) => {
                vec![Self::Numeric(precision + 4, scale), Self::Numeric(precision + 3, scale + 2), Self::AnyNumeric]
            }
            _ => Vec::new(),
        }
    }

    /// Types that hold every value that a test ever puts into this one, but not every value.
    pub(super) fn narrower(self) -> Vec<Self> {
        match self {
            Self::BigInt => vec![Self::Integer],
            Self::Integer => vec![Self::SmallInt],
            Self::Double => vec![Self::Real],
            Self::Text => vec![Self::Varchar(20), Self::Varchar(70)],
            Self::Varchar(length) if length > 12 => vec![Self::Varchar(length - 1)],
            Self::Numeric(precision, scale) if precision > 8 && precision - scale > 4 => {
                vec![Self::Numeric(precision - 1, scale)]
            }
            _ => Vec::new(),
        }
    }

    /// Whether two rows differ in it, as `UNIQUE` wants.
    pub(super) fn is_distinct(self) -> bool {
        !matches!(self, Self::Boolean | Self::Enum(_) | Self::Inet)
    }

    /// Whether `lower(…)` takes it.
    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Varchar(_) | Self::Text)
    }

    /// Whether it compares with numbers.
    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::SmallInt | Self::Integer | Self::BigInt | Self::Real | Self::Double)
            || matches!(self, Self::Numeric(..) | Self::AnyNumeric)
    }
}
