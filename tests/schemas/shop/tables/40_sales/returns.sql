CREATE TABLE return_reasons (reason text PRIMARY KEY, restock boolean NOT NULL DEFAULT true);
CREATE TABLE returns (
    return_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shipment_id bigint NOT NULL REFERENCES shipments,
    refund_id   bigint REFERENCES refunds,
    arrived_at  timestamptz
);
CREATE TABLE return_lines (
    return_id   bigint REFERENCES returns ON DELETE CASCADE,
    shipment_id bigint,
    line        smallint,
    reason      text NOT NULL REFERENCES return_reasons,
    amount      positive_quantity NOT NULL,
    PRIMARY KEY (return_id, line),
    FOREIGN KEY (shipment_id, line) REFERENCES shipment_lines
);
