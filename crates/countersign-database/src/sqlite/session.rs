//! One SQLite connection and its statements.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql, params_from_iter};

use crate::fault::Fault;
use crate::statement::{Attempt, Done, PAGE, Statement, Step};
use crate::value::{Row, Value};

use super::file::File;

/// Extended result codes of a value that must be unique and is there already (sqlite3.h).
const SQLITE_CONSTRAINT_PRIMARYKEY: i32 = 1555;
const SQLITE_CONSTRAINT_UNIQUE: i32 = 2067;

/// A connection that may write.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Connection,
    file: File,
}

impl Session {
    pub(crate) const fn new(connection: Connection, file: File) -> Self {
        Self { connection, file }
    }

    pub(crate) fn begin(&mut self) -> Result<(), Fault> {
        self.file.is_there()?;
        self.plain("BEGIN IMMEDIATE")
    }

    pub(crate) fn commit(&mut self) -> Result<(), Fault> {
        self.plain("COMMIT")
    }

    /// Undoes the transaction, if SQLite has not done so by itself.
    pub(crate) fn rollback(&mut self) -> Result<(), Fault> {
        if self.connection.is_autocommit() { Ok(()) } else { self.plain("ROLLBACK") }
    }

    /// Runs the steps of one batch in a savepoint.
    pub(crate) fn attempt(&mut self, steps: &[Step]) -> Result<Attempt, Fault> {
        self.plain("SAVEPOINT step")?;
        let attempt = self.steps(steps)?;
        match &attempt {
            Attempt::Met(_) => self.plain("RELEASE SAVEPOINT step")?,
            Attempt::Lost | Attempt::Refused(_) => {
                self.plain("ROLLBACK TO SAVEPOINT step")?;
                self.plain("RELEASE SAVEPOINT step")?;
            }
        }
        Ok(attempt)
    }

    /// Runs steps until one is not met.
    pub(crate) fn steps(&mut self, steps: &[Step]) -> Result<Attempt, Fault> {
        let mut done = Vec::with_capacity(steps.len());
        for step in steps {
            match self.execute(step.statement, &step.parameters) {
                Ok(one) if step.is_met_by(&one) => done.push(one),
                Ok(_) | Err(Fault::Lost) => return Ok(Attempt::Lost),
                Err(Fault::Refused(reason)) => return Ok(Attempt::Refused(reason)),
                Err(fault) => return Err(fault),
            }
        }
        Ok(Attempt::Met(done))
    }

    /// Runs one statement once per row of parameters.
    pub(crate) fn append(&mut self, statement: &Statement, rows: &[Vec<Value>]) -> Result<(), Fault> {
        let append = || {
            let mut prepared = self.connection.prepare_cached(statement.numbered())?;
            rows.iter().try_for_each(|row| prepared.execute(params_from_iter(row)).map(drop))
        };
        append().map_err(|error| fault(&error))
    }

    pub(crate) fn execute(&mut self, statement: &Statement, parameters: &[Value]) -> Result<Done, Fault> {
        execute(&self.connection, statement, parameters)
    }

    pub(crate) fn check(&mut self, statement: &Statement) -> Result<(), Fault> {
        self.connection.prepare(statement.numbered()).map(drop).map_err(|error| fault(&error))
    }

    fn plain(&mut self, text: &'static str) -> Result<(), Fault> {
        let mut prepared = self.connection.prepare_cached(text).map_err(|error| fault(&error))?;
        prepared.execute([]).map(drop).map_err(|error| fault(&error))
    }
}

/// Runs one statement on a connection.
pub(super) fn execute(
    connection: &Connection,
    statement: &Statement,
    parameters: &[Value],
) -> Result<Done, Fault> {
    run(connection, statement.numbered(), parameters).map_err(|error| fault(&error))
}

fn run(connection: &Connection, text: &str, parameters: &[Value]) -> rusqlite::Result<Done> {
    let mut prepared = connection.prepare_cached(text)?;
    let columns = prepared.column_count();
    if columns == 0 {
        let changed = prepared.execute(params_from_iter(parameters))?;
        return Ok(Done { changed: u64::try_from(changed).unwrap_or(u64::MAX), rows: Vec::new() });
    }
    let mut answer = prepared.query(params_from_iter(parameters))?;
    let mut rows = Vec::new();
    while let Some(found) = answer.next()? {
        rows.push(read(found, columns)?);
    }
    Ok(Done { changed: u64::try_from(rows.len()).unwrap_or(u64::MAX), rows })
}

/// Runs one statement and hands out its rows page by page, for as long as they are wanted.
pub(super) fn scan(
    connection: &Connection,
    statement: &Statement,
    parameters: &[Value],
    mut wanted: impl FnMut(Vec<Row>) -> bool,
) -> Result<(), Fault> {
    let mut scan = || {
        let mut prepared = connection.prepare_cached(statement.numbered())?;
        let columns = prepared.column_count();
        let mut answer = prepared.query(params_from_iter(parameters))?;
        let mut page = Vec::with_capacity(PAGE);
        while let Some(found) = answer.next()? {
            page.push(read(found, columns)?);
            if page.len() == PAGE && !wanted(std::mem::replace(&mut page, Vec::with_capacity(PAGE))) {
                return Ok(());
            }
        }
        if !page.is_empty() {
            wanted(page);
        }
        Ok(())
    };
    scan().map_err(|error: rusqlite::Error| fault(&error))
}

fn read(found: &rusqlite::Row<'_>, columns: usize) -> rusqlite::Result<Row> {
    let mut values = Vec::with_capacity(columns);
    for column in 0..columns {
        values.push(own(column, found.get_ref(column)?)?);
    }
    Ok(Row(values))
}

fn own(column: usize, value: ValueRef<'_>) -> rusqlite::Result<Value> {
    match value {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(number) => Ok(Value::Int(number)),
        ValueRef::Text(text) => std::str::from_utf8(text)
            .map(Value::from)
            .map_err(|error| rusqlite::Error::Utf8Error(column, error)),
        ValueRef::Blob(bytes) => Ok(Value::Blob(bytes.to_vec())),
        ValueRef::Real(_) => {
            Err(rusqlite::Error::InvalidColumnType(column, "real".to_owned(), rusqlite::types::Type::Real))
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Sorts an error of the library by what follows from it.
pub(crate) fn fault(error: &rusqlite::Error) -> Fault {
    let rusqlite::Error::SqliteFailure(failure, _) = error else {
        return Fault::Corrupt(error.to_string());
    };
    if matches!(failure.extended_code, SQLITE_CONSTRAINT_PRIMARYKEY | SQLITE_CONSTRAINT_UNIQUE) {
        return Fault::Lost;
    }
    let text = error.to_string();
    let is = |codes: &[ErrorCode]| codes.contains(&failure.code);
    if is(&[ErrorCode::ConstraintViolation, ErrorCode::TooBig, ErrorCode::TypeMismatch]) {
        Fault::Refused(text)
    } else if is(&[ErrorCode::DatabaseCorrupt, ErrorCode::NotADatabase]) {
        Fault::Corrupt(text)
    } else {
        Fault::Failed(text)
    }
}
