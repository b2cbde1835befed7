-- Coordinates only; positives and negatives are not told apart (trust: low).
{{ observation("global_pv_inventory_sent2_2024") }}
