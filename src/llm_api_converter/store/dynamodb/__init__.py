"""The store on DynamoDB. `address`: from settings to names; `schema`: the tables; `client`: calls, retries and errors; `timeline`: lists
newest first; `keys`, `usage`, `kept`, `records`: the six interfaces; `store`: all together, and how the tables are made.
"""
