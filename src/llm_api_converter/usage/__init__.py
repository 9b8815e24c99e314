"""What calls used and cost: one record a call (`account`), its price (`prices`), its way to the store (`spool`), what may still be spent
(`budgets`), and how it is shown (`report`, `verify`).
"""
