-- One row a user and step that they reached: in this order, with whatever in between. No action has an empty name.
SELECT user_id, step, {steps:Array(String)}[step] AS action
FROM (
    SELECT
        user_id,
        windowFunnel(9223372036854775807)(
            position,
            action = {steps:Array(String)}[1],
            action = {steps:Array(String)}[2],
            action = {steps:Array(String)}[3],
            action = {steps:Array(String)}[4],
            action = {steps:Array(String)}[5],
            action = {steps:Array(String)}[6],
            action = {steps:Array(String)}[7],
            action = {steps:Array(String)}[8],
            action = {steps:Array(String)}[9],
            action = {steps:Array(String)}[10]
        ) AS reached
    FROM {actions}
    WHERE action != ''
    GROUP BY user_id
)
ARRAY JOIN range(1, reached + 1) AS step
