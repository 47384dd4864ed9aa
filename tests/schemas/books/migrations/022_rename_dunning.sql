ALTER VIEW books.dunning RENAME TO reminders;
ALTER VIEW books.reminders RENAME COLUMN days TO days_late;
