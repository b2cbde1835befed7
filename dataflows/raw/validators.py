"""Schema checks at the boundaries of the DAG, as Hamilton data validators that fail the node."""

from __future__ import annotations

from hamilton.data_quality.base import DataValidationLevel, DataValidator, ValidationResult

from dataflows.raw.layer import LazyTable


class HasColumns(DataValidator):
    """The relation has these columns, and the one named ``geometry`` is of DuckDB's type ``GEOMETRY``."""

    def __init__(self, *columns: str, importance: str = "fail") -> None:
        super().__init__(importance=DataValidationLevel(importance))
        self.columns = columns

    def applies_to(self, datatype: type) -> bool:
        """Only lazy tables."""
        return issubclass(datatype, LazyTable)

    def description(self) -> str:
        """What is checked."""
        return f"has the columns {', '.join(self.columns)}"

    @classmethod
    def name(cls) -> str:
        """Name of the check node."""
        return "has_columns"

    def validate(self, dataset: LazyTable) -> ValidationResult:
        """Check names and the geometry's type without reading a row."""
        table = dataset.relation
        types = dict(zip(table.columns, map(str, table.types), strict=True))
        missing = [name for name in self.columns if name not in types]
        wrong = "" if types.get("geometry", "GEOMETRY").startswith("GEOMETRY") else f"; geometry is {types['geometry']}"
        message = f"missing columns: {', '.join(missing) or 'none'}{wrong}"
        return ValidationResult(passes=not missing and not wrong, message=message, diagnostics={"columns": types})
